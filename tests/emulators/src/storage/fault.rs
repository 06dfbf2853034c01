//! What a test orders to go wrong.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::call::Op;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, without having done anything.
    Status(u16),
    /// This status, with `Retry-After` in seconds.
    RetryAfter(u16, u64),
    /// So many bytes of the body are taken, then the answer is this status.
    StatusAfter(u64, u16),
    /// So many bytes of the body are taken, then the connection is cut.
    CutAfter(u64),
    /// The connection is cut before anything is done.
    Cut,
    /// What is asked for is done; then the connection is cut.
    LoseAnswer,
    /// Nothing is done and nothing answered, until the client gives up.
    Stall,
    /// A read ends after so many bytes, by a cut.
    Truncate(u64),
    /// A read gives other bytes than were written; all else of the answer is as it should be.
    WrongBytes,
    /// What is written stands there with another byte than was sent, and nobody notices: a broken service.
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

    /// What this request is to meet.
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
