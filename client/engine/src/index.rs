//! The index: one SQLite database with a row for each chunk. Nothing is reported as done before it is committed here (R7).

mod account;
mod chunks;
mod jobs;
mod queue;
mod results;
mod row;
mod schema;
mod sums;
mod tasks;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction};

pub use chunks::Finished;
pub use jobs::JobRow;
pub use results::StoredResult;
pub use schema::VERSION;
pub use sums::Sum;
pub use tasks::{PushKind, PushTask};

/// How long a write waits for another process that reads.
const BUSY: Duration = Duration::from_secs(5);
/// What SQLite may keep of the database in memory, in KiB.
const CACHE_KIB: u32 = 4096;

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A newer version of the program wrote it.
    #[error("the index {path} has version {found}, and this program knows versions up to {known}: update the program")]
    #[expect(missing_docs, reason = "the sentence says it")]
    Newer { path: String, found: i64, known: i64 },
    /// An earlier version of the program wrote it, and it is only read now.
    #[error("the index {path} has the older version {found}: the next upload brings it up to date")]
    #[expect(missing_docs, reason = "the sentence says it")]
    Older { path: String, found: i64 },
    /// It is damaged.
    #[error(
        "the index {path} is damaged: `rebuild` makes a new one from the recordings, which are not touched ({why})"
    )]
    #[expect(missing_docs, reason = "the sentence says it")]
    Damaged { path: String, why: String },
    /// It is not a database of this program.
    #[error("{path} is not an index of this program")]
    #[expect(missing_docs, reason = "the sentence says it")]
    Foreign { path: String },
    /// The disk refuses writes: it is full, read-only, or gone for now.
    #[error("the index {path} cannot be written: {why}")]
    #[expect(missing_docs, reason = "the sentence says it")]
    Disk { path: String, why: String },
    /// A recording that is to be finished is not being recorded any more.
    #[error("the index {path} says that the recording {id} was finished already: its frames since then are not kept")]
    #[expect(missing_docs, reason = "the sentence says it")]
    NotRecording { path: String, id: i64 },
    /// It is empty, or there is none, and its folder holds recordings.
    #[error(
        "the index {path} knows none of the recordings in {folder}: `rebuild` makes a new one from them, \
         or move them elsewhere to begin anew"
    )]
    #[expect(missing_docs, reason = "the sentence says it")]
    Empty { path: String, folder: String },
    /// Anything else that SQLite reports.
    #[error("the index {path} cannot be used: {why}")]
    #[expect(missing_docs, reason = "the sentence says it")]
    Sqlite { path: String, why: String },
}

pub type Result<T> = std::result::Result<T, IndexError>;

/// Asked before each commit.
pub type BeforeCommit = Box<dyn Fn() -> io::Result<()> + Send>;

pub struct Index {
    connection: Connection,
    path: PathBuf,
    before_commit: BeforeCommit,
    /// The commits so far: each of them is one fsync.
    commits: u64,
}

impl Index {
    /// Opens the index, and creates it if there is none. `path` may be a `file:` URI.
    pub fn open(path: &Path, before_commit: BeforeCommit) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let this = Self::connect(path, flags, before_commit)?;
        this.or_error(schema::prepare(&this.connection, &this.name()))??;
        Ok(this)
    }

    /// Opens an existing index to read it, while another process may write.
    pub fn open_to_read(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let this = Self::connect(path, flags, Box::new(|| Ok(())))?;
        this.or_error(schema::check(&this.connection, &this.name()))??;
        Ok(this)
    }

    fn connect(path: &Path, flags: OpenFlags, before_commit: BeforeCommit) -> Result<Self> {
        let name = path.display().to_string();
        let connection = Connection::open_with_flags(path, flags).map_err(|error| classify(&name, &error))?;
        let this = Self { connection, path: path.to_owned(), before_commit, commits: 0 };
        this.or_error(this.configure(flags.contains(OpenFlags::SQLITE_OPEN_READ_WRITE)))?;
        Ok(this)
    }

    fn configure(&self, writes: bool) -> rusqlite::Result<()> {
        self.connection.busy_timeout(BUSY)?;
        // Without it, SQLite parses a cached statement anew whenever a bound value could change its plan.
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        self.connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
        if writes {
            // A database in memory stays in the mode `memory`.
            self.connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
            self.connection.pragma_update(None, "synchronous", "FULL")?;
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn or_error<T>(&self, result: rusqlite::Result<T>) -> Result<T> {
        result.map_err(|error| classify(&self.name(), &error))
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.or_error(work(&self.connection))
    }

    /// Runs the work in one transaction. It is durable when this returns.
    fn write<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let name = self.name();
        let error = |error: rusqlite::Error| classify(&name, &error);
        let transaction =
            self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(error)?;
        let done = work(&transaction).map_err(error)?;
        (self.before_commit)().map_err(|error| IndexError::Disk { path: name.clone(), why: error.to_string() })?;
        transaction.commit().map_err(error)?;
        self.commits += 1;
        Ok(done)
    }

    /// The commits since the index was opened.
    #[cfg(test)]
    pub fn commits(&self) -> u64 {
        self.commits
    }
}

fn classify(path: &str, error: &rusqlite::Error) -> IndexError {
    let (path, why) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => IndexError::Damaged { path, why },
        Some(
            ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied,
        ) => IndexError::Disk { path, why },
        _ if matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..)
        ) =>
        {
            IndexError::Damaged { path, why }
        }
        _ => IndexError::Sqlite { path, why },
    }
}

#[cfg(test)]
mod tests;
