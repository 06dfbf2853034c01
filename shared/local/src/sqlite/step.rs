//! One step of work on its way to a connection, and its answer on the way back.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use flow::{Error, Kind, Result};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::{Failure, kind_of};

/// Why a transaction failed; each step in it gets a copy.
#[derive(Clone, Debug)]
pub struct Lost {
    pub kind: Kind,
    pub why: String,
}

impl Lost {
    /// Nothing of the transaction was written. Only errors about the state of the machine concern every
    /// step in it.
    pub fn undone(error: &rusqlite::Error) -> Self {
        let kind = match kind_of(error) {
            kind @ (Kind::Full | Kind::Corrupt) => kind,
            _ => Kind::Unavailable,
        };
        Self { kind, why: error.to_string() }
    }

    /// It is unknown whether the transaction was written.
    pub fn unknown(error: &rusqlite::Error) -> Self {
        Self { kind: Kind::Unknown, why: error.to_string() }
    }
}

pub trait Step: Send {
    /// Does the work, and returns whether its writes may stay.
    fn run(&mut self, db: &Connection) -> bool;

    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;

    /// Sends the answer, now that the outcome of the transaction is known.
    fn answer(self: Box<Self>, fate: &std::result::Result<(), Lost>);
}

struct Call<T, F, C> {
    operation: &'static str,
    subject: String,
    work: Option<F>,
    /// Called after the commit, even if the caller has gone.
    committed: Option<C>,
    outcome: Option<Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

/// A step, and the channel on which its answer arrives.
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
        // This is unwind-safe: what the closure captured is dropped with it, and what it wrote is rolled back
        // by the caller.
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
            // A step that failed by itself has written nothing, whatever happened to the other steps.
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(lost)) => Err(self.error(lost.kind, lost.why.clone())),
            (None, Ok(())) => Err(self.error(Kind::Unavailable, "the step never ran")),
        };
        if let (Ok(value), Some(committed)) = (&outcome, self.committed.take()) {
            committed(value);
        }
        // A closed channel is no error: the caller was cancelled.
        drop(self.caller.send(outcome));
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
