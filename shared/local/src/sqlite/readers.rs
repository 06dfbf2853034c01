//! A few threads that read, each with its own connection: readers never wait for the writer, nor the
//! writer for them.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use flow::{Kind, Result};
use rusqlite::Connection;

use super::connection;
use super::error::Failure;
use super::migrate::OpenError;
use super::read_limit::ReadLimit;
use super::step::{Lost, Step};
use super::worker::{Queue, Worker};

/// How long one read may take. While it runs the write-ahead log cannot begin anew; reads of the server take milliseconds.
const LIMIT: Duration = Duration::from_secs(10);

pub struct Readers(Worker);

impl Readers {
    /// Opens at least one reader. The database must exist: its writer opens it first.
    pub fn open(path: &Path, threads: usize) -> std::result::Result<Self, OpenError> {
        Self::open_limited(path, threads, LIMIT)
    }

    /// A read that takes longer than `limit` is ended with [`Kind::Unavailable`].
    pub fn open_limited(path: &Path, threads: usize, limit: Duration) -> std::result::Result<Self, OpenError> {
        let connect = || {
            let mut db = connection::open_to_read(path)?;
            let limit = ReadLimit::of(&mut db, limit).map_err(|error| OpenError::of(path, error))?;
            Ok((db, limit))
        };
        let connections = (0..threads.max(1)).map(|_| connect());
        let connections = connections.collect::<std::result::Result<Vec<_>, _>>()?;
        let start = |queue| {
            let queue = Arc::new(Mutex::new(queue));
            let start = |(db, limit)| {
                let queue = Arc::clone(&queue);
                thread::Builder::new().name("sqlite-read".into()).spawn(move || serve(&db, &limit, &queue))
            };
            connections.into_iter().map(start).collect()
        };
        let worker = Worker::start(Kind::Unavailable, start);
        worker.map(Self).map_err(|why| OpenError::NoThread { path: path.to_owned(), why })
    }

    /// Runs `look` in one transaction, so that it sees the state of one moment.
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

fn serve(db: &Connection, limit: &ReadLimit, queue: &Mutex<Queue>) {
    while let Some(mut step) = next(queue) {
        if !step.is_abandoned() {
            limit.begin();
            let fate = look(db, step.as_mut()).map_err(|error| Lost::undone(&error));
            limit.end();
            step.answer(&fate);
        }
    }
}

/// One thread waits for the queue's next step while it holds the lock; the others wait for the lock.
fn next(queue: &Mutex<Queue>) -> Option<Box<dyn Step>> {
    // Nothing panics while the lock is held, and even then the queue would be intact.
    queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

fn look(db: &Connection, step: &mut dyn Step) -> rusqlite::Result<()> {
    db.prepare_cached("BEGIN")?.execute([])?;
    step.run(db);
    // An error may already have ended the transaction. A read has nothing to commit.
    if db.is_autocommit() { Ok(()) } else { db.prepare_cached("ROLLBACK")?.execute([]).map(drop) }
}

#[cfg(test)]
mod tests;
