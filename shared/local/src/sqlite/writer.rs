//! The one thread that writes: steps that wait together are committed together.
//!
//! A commit costs a write to the disk however much it holds. While one runs, the next steps gather; each has a
//! savepoint of its own, so that one that fails takes back only what it did. All are answered after the commit.

use std::fmt::Display;
use std::path::Path;
use std::thread;

use flow::{Kind, Result};
use rusqlite::{Connection, ErrorCode};

use super::connection::{self, Deleted};
use super::error::Failure;
use super::migrate::OpenError;
use super::step::{Lost, Step};
use super::worker::{Queue, Worker};
use crate::metrics;

/// More in one commit would not make it cheaper, only let the first of them wait longer.
const GROUP: usize = 256;

pub struct Writer(Worker);

impl Writer {
    /// Opens or makes the database and brings its schema up to date.
    pub fn open(path: &Path, migrations: &[&str]) -> std::result::Result<Self, OpenError> {
        Self::over(connection::open_to_write(path, migrations, Deleted::Left)?, path)
    }

    /// The same, after every page was looked at and `look` has asked what will be asked of it: for a small database that
    /// is replaced where it is damaged.
    pub fn open_whole(
        path: &Path,
        migrations: &[&str],
        look: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> std::result::Result<Self, OpenError> {
        let db = connection::open_to_write(path, migrations, Deleted::Left).map_err(OpenError::broken_schema)?;
        let is_whole = connection::check_pages(&db).and_then(|()| look(&db));
        is_whole.map_err(|error| OpenError::of(path, error).broken_schema())?;
        Self::over(db, path)
    }

    /// The same for a database that holds what people said: of what is deleted nothing stays in the file.
    pub fn open_erasing(path: &Path, migrations: &[&str]) -> std::result::Result<Self, OpenError> {
        Self::over(connection::open_to_write(path, migrations, Deleted::Erased)?, path)
    }

    /// For a command that runs beside the server: the database must be there, with the very schema that we know.
    pub fn open_alongside(path: &Path, migrations: &[&str]) -> std::result::Result<Self, OpenError> {
        Self::over(connection::open_alongside(path, migrations, Deleted::Erased)?, path)
    }

    fn over(db: Connection, path: &Path) -> std::result::Result<Self, OpenError> {
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let serve = move |queue| serve(&db, &name, queue);
        let start = |queue| Ok(vec![thread::Builder::new().name("sqlite-write".into()).spawn(move || serve(queue))?]);
        let worker = Worker::start(Kind::Unknown, start);
        worker.map(Self).map_err(|why| OpenError::NoThread { path: path.to_owned(), why })
    }

    /// Runs `step` in a transaction and returns when that is on the disk. An error of the step itself leaves nothing
    /// behind; [`Kind::Unknown`] says that a crash decides. A caller that stops waiting does not stop the step.
    pub fn call<T, E, F>(
        &self,
        operation: &'static str,
        subject: impl Display,
        step: F,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Send + 'static,
        E: Failure + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, E> + Send + 'static,
    {
        self.call_then(operation, subject, step, |_| {})
    }

    /// As [`call`](Self::call); `committed` is told what was written, on the writer's thread, even if the caller stopped
    /// waiting. It must be quick.
    pub fn call_then<T, E, F, C>(
        &self,
        operation: &'static str,
        subject: impl Display,
        step: F,
        committed: C,
    ) -> impl Future<Output = Result<T>> + Send
    where
        T: Send + 'static,
        E: Failure + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, E> + Send + 'static,
        C: FnOnce(&T) + Send + 'static,
    {
        self.0.call(operation, subject, step, committed)
    }
}

fn serve(db: &Connection, name: &str, mut queue: Queue) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut group, GROUP) > 0 {
        let fate = commit_together(db, name, &mut group);
        for step in group.drain(..) {
            step.answer(&fate);
        }
    }
}

fn commit_together(db: &Connection, name: &str, group: &mut [Box<dyn Step>]) -> std::result::Result<(), Lost> {
    run_together(db, group).map_err(|error| {
        // Should even this fail, the next group tries it again before it begins.
        drop(clear(db));
        Lost::undone(&error)
    })?;
    timed(name, || commit(db))
}

#[expect(clippy::disallowed_methods, reason = "a duration for metrics; nothing is decided by it")]
fn timed<T>(database: &str, work: impl FnOnce() -> T) -> T {
    let began = std::time::Instant::now();
    let result = work();
    metrics::committed(database, began.elapsed());
    result
}

fn run_together(db: &Connection, group: &mut [Box<dyn Step>]) -> rusqlite::Result<()> {
    clear(db)?;
    run(db, "BEGIN IMMEDIATE")?;
    group.iter_mut().try_for_each(|step| run_alone(db, step.as_mut()))
}

/// A disk that is full or fails makes SQLite give up the whole transaction. Then there is no savepoint any more, and
/// that is an error here, also when the step itself did not notice.
fn run_alone(db: &Connection, step: &mut dyn Step) -> rusqlite::Result<()> {
    run(db, "SAVEPOINT step")?;
    if !step.run(db) {
        run(db, "ROLLBACK TO step")?;
    }
    run(db, "RELEASE step")
}

fn commit(db: &Connection) -> std::result::Result<(), Lost> {
    let Err(error) = run(db, "COMMIT") else { return Ok(()) };
    // Refused, the transaction is still open. On a full disk the log lacks its last frame, without which the others do
    // not count. After any other error the log may be complete, and be read after a crash.
    let refused = !db.is_autocommit();
    let undone = clear(db).is_ok() && (refused || error.sqlite_error_code() == Some(ErrorCode::DiskFull));
    Err(if undone { Lost::undone(&error) } else { Lost::unknown(&error) })
}

/// Ends a transaction that was left open.
fn clear(db: &Connection) -> rusqlite::Result<()> {
    if db.is_autocommit() { Ok(()) } else { run(db, "ROLLBACK") }
}

fn run(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;
