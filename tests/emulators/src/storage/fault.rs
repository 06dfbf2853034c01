//! The faults that a test can order.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::call::Op;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status, without having done anything.
    Status(u16),
    /// Answers with this status, and with `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// Reads this many bytes of the body, then answers with this status.
    StatusAfter(u64, u16),
    /// Reads this many bytes of the body, then closes the connection.
    CutAfter(u64),
    /// Closes the connection before anything is done.
    Cut,
    /// Executes the request, then closes the connection.
    LoseAnswer,
    /// Does nothing and answers nothing, until the client gives up.
    Stall,
    /// Closes the connection after this many bytes of a read.
    Truncate(u64),
    /// A read returns other bytes than were written; the rest of the answer is correct.
    WrongBytes,
    /// One byte of what is written is changed without an error, as in a broken service.
    StoreWrong,
}

#[derive(Default)]
pub struct Orders {
    waiting: Mutex<VecDeque<(Op, Fault, usize)>>,
    stalled: Notify,
}

impl Orders {
    pub fn place(&self, op: Op, fault: Fault, times: usize) {
        self.waiting.lock().unwrap().push_back((op, fault, times));
    }

    pub fn clear(&self) {
        self.waiting.lock().unwrap().clear();
    }

    pub fn pending(&self) -> usize {
        self.waiting.lock().unwrap().iter().map(|(_, _, times)| times).sum()
    }

    /// The fault for this request, if one is ordered.
    pub fn take(&self, op: Op) -> Option<Fault> {
        let mut waiting = self.waiting.lock().unwrap();
        let at = waiting.iter().position(|(wanted, _, times)| *wanted == op && *times > 0)?;
        let (_, fault, times) = &mut waiting[at];
        let fault = *fault;
        *times -= 1;
        if *times == 0 {
            waiting.remove(at);
        }
        Some(fault)
    }

    pub async fn stall(&self) {
        self.stalled.notify_one();
        std::future::pending::<()>().await;
    }

    pub async fn until_stalled(&self) {
        self.stalled.notified().await;
    }
}
