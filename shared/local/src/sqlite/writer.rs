//! The one thread that writes: steps that wait together are committed together.
//!
//! A commit costs one write to the disk, however much it contains. While one runs, the next steps queue
//! up. Each step has its own savepoint, so that a failed step undoes only its own writes. All steps are
//! answered after the commit.

use std::fmt::Display;
use std::path::Path;
use std::thread;

use flow::{Kind, Result};
use rusqlite::{Connection, ErrorCode};

use super::connection::{self, Deleted};
use super::error::Failure;
use super::log::Log;
use super::migrate::OpenError;
use super::step::{Lost, Step};
use super::worker::{Queue, Worker};
use crate::metrics;

/// The most steps in one commit. More would not make it cheaper and would only delay the first ones.
const GROUP: usize = 256;

pub struct Writer(Worker);

impl Writer {
    /// Opens or makes the database and brings its schema up to date.
    pub fn open(path: &Path, migrations: &[&str]) -> std::result::Result<Self, OpenError> {
        Self::over(connection::open_to_write(path, migrations, Deleted::Left)?, path)
    }

    /// Opens the database like [`open`](Self::open) and checks it: every page, and the queries that `look`
    /// runs. This is for a small database that is replaced when it is damaged.
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

    /// Opens the database like [`open`](Self::open), for transcripts: deleted content does not stay in the
    /// file.
    pub fn open_erasing(path: &Path, migrations: &[&str]) -> std::result::Result<Self, OpenError> {
        Self::over(connection::open_to_write(path, migrations, Deleted::Erased)?, path)
    }

    /// Opens the database for a command that runs beside the server: it must exist and have exactly the
    /// schema version that we know.
    pub fn open_alongside(path: &Path, migrations: &[&str]) -> std::result::Result<Self, OpenError> {
        Self::over(connection::open_alongside(path, migrations, Deleted::Erased)?, path)
    }

    fn over(mut db: Connection, path: &Path) -> std::result::Result<Self, OpenError> {
        let log = Log::of(&mut db, path).map_err(|error| OpenError::of(path, error))?;
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let serve = move |queue| serve(&db, &name, log, queue);
        let start = |queue| Ok(vec![thread::Builder::new().name("sqlite-write".into()).spawn(move || serve(queue))?]);
        let worker = Worker::start(Kind::Unknown, start);
        worker.map(Self).map_err(|why| OpenError::NoThread { path: path.to_owned(), why })
    }

    /// Runs `step` in a transaction and returns when the commit is on the disk. An error of the step itself
    /// leaves nothing behind. After [`Kind::Unknown`] the writes may or may not be there. A caller that
    /// stops waiting does not stop the step.
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

    /// Like [`call`](Self::call), but calls `committed` with what was written, on the writer's thread, even
    /// if the caller has stopped waiting. It must be quick.
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

fn serve(db: &Connection, name: &str, mut log: Log, mut queue: Queue) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.blocking_recv_many(&mut group, GROUP) > 0 {
        let fate = commit_together(db, name, &mut group);
        for step in group.drain(..) {
            step.answer(&fate);
        }
        // The callers have their answers: nobody waits for a checkpoint but the next group.
        log.checkpoint(db);
    }
}

fn commit_together(db: &Connection, name: &str, group: &mut [Box<dyn Step>]) -> std::result::Result<(), Lost> {
    run_together(db, group).map_err(|error| {
        // If this fails too, the next group tries it again before it begins.
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

/// Runs one step in a savepoint. On a full or failing disk SQLite rolls back the whole transaction. The
/// savepoint is gone then, which is an error here even if the step itself did not notice.
fn run_alone(db: &Connection, step: &mut dyn Step) -> rusqlite::Result<()> {
    run(db, "SAVEPOINT step")?;
    if !step.run(db) {
        run(db, "ROLLBACK TO step")?;
    }
    run(db, "RELEASE step")
}

fn commit(db: &Connection) -> std::result::Result<(), Lost> {
    let Err(error) = run(db, "COMMIT") else { return Ok(()) };
    // If the commit was refused, the transaction is still open. On a full disk the log lacks its last
    // frame, without which the others do not count. After any other error the log may be complete, and a
    // crash recovery may apply it.
    let refused = !db.is_autocommit();
    let undone = clear(db).is_ok() && (refused || error.sqlite_error_code() == Some(ErrorCode::DiskFull));
    Err(if undone { Lost::undone(&error) } else { Lost::unknown(&error) })
}

/// Rolls back a transaction that was left open.
fn clear(db: &Connection) -> rusqlite::Result<()> {
    if db.is_autocommit() { Ok(()) } else { run(db, "ROLLBACK") }
}

fn run(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests;
