//! A bounded queue of steps and the threads that serve it, which end when the last step is answered.

use std::fmt::Display;
use std::io;
use std::thread::JoinHandle;

use flow::{Error, Kind, Result};
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::error::Failure;
use super::step::{self, Step};

pub type Queue = mpsc::Receiver<Box<dyn Step>>;

/// The length of the queue. Further callers wait until there is room: a longer queue would help nobody.
const QUEUE: usize = 1024;

pub struct Worker {
    /// `None` only while it is dropped.
    steps: Option<mpsc::Sender<Box<dyn Step>>>,
    threads: Vec<JoinHandle<()>>,
    /// The kind of error of a step whose answer never came.
    unanswered: Kind,
}

impl Worker {
    /// `start` gets the queue and starts the threads that serve it.
    pub fn start(unanswered: Kind, start: impl FnOnce(Queue) -> io::Result<Vec<JoinHandle<()>>>) -> io::Result<Self> {
        let (steps, queue) = mpsc::channel(QUEUE);
        Ok(Self { steps: Some(steps), threads: start(queue)?, unanswered })
    }

    /// Sends a step to the threads and waits for its answer. `committed` is called before the caller gets
    /// the answer.
    pub fn call<T, E, F, C>(
        &self,
        operation: &'static str,
        subject: impl Display,
        work: F,
        committed: C,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Send + 'static,
        E: Failure + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, E> + Send + 'static,
        C: FnOnce(&T) + Send + 'static,
    {
        let subject = subject.to_string();
        let (step, answer) = step::step(operation, &subject, work, committed);
        // The future holds only the two channels, however much data the step carries.
        async move {
            let gone = |kind| Error::new(kind, operation, &subject).because("the database thread has ended");
            let steps = self.steps.as_ref().ok_or_else(|| gone(Kind::Unavailable))?;
            steps.send(step).await.map_err(|_| gone(Kind::Unavailable))?;
            answer.await.unwrap_or_else(|_| Err(gone(self.unanswered)))
        }
    }
}

impl Drop for Worker {
    /// Waits for the queued steps, so that the connections are closed properly before the process ends.
    fn drop(&mut self) {
        self.steps = None;
        let this_thread = std::thread::current().id();
        // A step may own the last handle, and a thread cannot wait for itself.
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != this_thread) {
            // A thread that panicked has closed its connection too.
            drop(thread.join());
        }
    }
}
