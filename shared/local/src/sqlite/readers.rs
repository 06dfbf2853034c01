//! A few threads that read, each with its own connection: a look never waits for the writer, nor it for them.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flow::{Kind, Result};
use rusqlite::Connection;

use super::connection;
use super::error::Failure;
use super::migrate::OpenError;
use super::step::{Lost, Step};
use super::worker::{Queue, Worker};

pub struct Readers(Worker);

impl Readers {
    /// The database must be there: its writer opens it first. At least one thread reads.
    pub fn open(path: &Path, threads: usize) -> std::result::Result<Self, OpenError> {
        let connections = (0..threads.max(1)).map(|_| connection::open_to_read(path));
        let connections = connections.collect::<std::result::Result<Vec<_>, _>>()?;
        let start = |queue| {
            let queue = Arc::new(Mutex::new(queue));
            let start = |db| {
                let queue = Arc::clone(&queue);
                thread::Builder::new().name("sqlite-read".into()).spawn(move || serve(&db, &queue))
            };
            connections.into_iter().map(start).collect()
        };
        let worker = Worker::start(Kind::Unavailable, start);
        worker.map(Self).map_err(|why| OpenError::NoThread { path: path.to_owned(), why })
    }

    /// Runs `look` in one transaction: everything it reads is of one moment.
    pub fn call<T, E, F>(
        &self,
        operation: &'static str,
        subject: impl Display,
        look: F,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Send + 'static,
        E: Failure + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, E> + Send + 'static,
    {
        self.0.call(operation, subject, look, |_| {})
    }
}

fn serve(db: &Connection, queue: &Mutex<Queue>) {
    while let Some(mut step) = next(queue) {
        if !step.is_abandoned() {
            let fate = look(db, step.as_mut()).map_err(|error| Lost::undone(&error));
            step.answer(&fate);
        }
    }
}

/// One thread waits at the queue, the others for their turn to.
fn next(queue: &Mutex<Queue>) -> Option<Box<dyn Step>> {
    // Nothing panics in between, and if it did, the queue would still be whole.
    queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

fn look(db: &Connection, step: &mut dyn Step) -> rusqlite::Result<()> {
    db.prepare_cached("BEGIN")?.execute([])?;
    step.run(db);
    // An error may have ended the transaction already. There is nothing to keep.
    if db.is_autocommit() { Ok(()) } else { db.prepare_cached("ROLLBACK")?.execute([]).map(drop) }
}

#[cfg(test)]
mod tests;
