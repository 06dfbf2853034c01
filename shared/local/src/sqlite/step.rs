//! One piece of work on its way to a connection, and its answer on the way back.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flow::{Error, Kind, Result};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::{Failure, kind_of};

/// Why a transaction came to nothing, told to each step that was in it.
#[derive(Clone, Debug)]
pub struct Lost {
    pub kind: Kind,
    pub why: String,
}

impl Lost {
    /// Nothing of the transaction is left. Only the state of the machine is of interest to everybody in it.
    pub fn undone(error: &rusqlite::Error) -> Self {
        let kind = match kind_of(error) {
            kind @ (Kind::Full | Kind::Corrupt) => kind,
            _ => Kind::Unavailable,
        };
        Self { kind, why: error.to_string() }
    }

    /// Whether it was written is not known.
    pub fn unknown(error: &rusqlite::Error) -> Self {
        Self { kind: Kind::Unknown, why: error.to_string() }
    }
}

pub trait Step: Send {
    /// Does the work, and says whether what it wrote may stay.
    fn run(&mut self, db: &Connection) -> bool;

    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;

    /// Tells the caller, now that it is known what became of the transaction.
    fn answer(self: Box<Self>, fate: &std::result::Result<(), Lost>);
}

struct Call<T, F, C> {
    operation: &'static str,
    subject: String,
    work: Option<F>,
    /// Told once it is committed, also when the caller has gone.
    committed: Option<C>,
    outcome: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

/// A step, and where its answer will arrive.
pub fn step<T, E, F, C>(
    operation: &'static str,
    subject: impl Display,
    work: F,
    committed: C,
) -> (Box<dyn Step>, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    E: Failure,
    F: FnOnce(&Connection) -> std::result::Result<T, E> + Send + 'static,
    C: FnOnce(&T) + Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    let (subject, work, committed) = (subject.to_string(), Some(work), Some(committed));
    (Box::new(Call { operation, subject, work, committed, outcome: None, caller }), answer)
}

impl<T, F, C> Call<T, F, C> {
    fn error(&self, kind: Kind, why: impl Into<flow::error::Source>) -> Error {
        Error::new(kind, self.operation, &self.subject).because(why)
    }
}

impl<T, E, F, C> Step for Call<T, F, C>
where
    T: Send,
    E: Failure,
    F: FnOnce(&Connection) -> std::result::Result<T, E> + Send,
    C: FnOnce(&T) + Send,
{
    fn run(&mut self, db: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        // Sound: what the closure captured is gone with it, and what it wrote is rolled back by the caller.
        let outcome = match catch_unwind(AssertUnwindSafe(|| work(db))) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(failure)) => Err(self.error(failure.kind(), failure)),
            Err(panic) => Err(self.error(Kind::Unavailable, format!("a step panicked: {}", message(&*panic)))),
        };
        self.outcome.insert(outcome).is_ok()
    }

    fn is_abandoned(&self) -> bool {
        self.caller.is_closed()
    }

    fn answer(mut self: Box<Self>, fate: &std::result::Result<(), Lost>) {
        let outcome = match (self.outcome.take(), fate) {
            // What failed by itself has left nothing behind, whatever became of the others.
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(lost)) => Err(self.error(lost.kind, lost.why.clone())),
            (None, Ok(())) => Err(self.error(Kind::Unavailable, "it was never begun")),
        };
        if let (Ok(value), Some(committed)) = (&outcome, self.committed.take()) {
            committed(value);
        }
        // Nobody listening is no fault: the caller was cancelled.
        drop(self.caller.send(outcome));
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("for no stated reason")
}
