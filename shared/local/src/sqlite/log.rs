//! Keeps the write-ahead log short: the writer moves its pages into the database, and begins it anew.
//!
//! SQLite's own checkpoint after a commit never waits for readers, and the log begins anew only in a moment without any. With
//! readers all the time it would grow for ever. From [`RESTART`] pages on, a checkpoint waits a moment until all readers have
//! the newest state, and then the log begins anew. A reader that holds an old state for long prevents that: those of this
//! program are limited (`read_limit.rs`, `backup/source.rs`), and others are told about in the log of the server.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::hooks::Wal;
use rusqlite::{Connection, Result};

use super::connection::BUSY;
use super::log_readers;

/// From this many pages on (4 MiB) they are moved into the database after each commit, as SQLite does it by itself.
const CHECKPOINT: u32 = 1_000;
/// From this many pages on (16 MiB) the log is begun anew, if need be by waiting for readers.
const RESTART: u32 = 4_096;
/// How many pages later it is tried again, because each try may wait for `PATIENCE`.
const RETRY: u32 = 1_024;
/// How long a try waits for readers. Nobody can write meanwhile.
const PATIENCE: Duration = Duration::from_millis(50);
/// The size at which a reader that holds an old state is told about, and again at each doubling: 64 MiB, which is above what
/// the readers of this program can cause.
const TOLD: u32 = 16_384;

pub struct Log {
    path: PathBuf,
    /// The pages in the log after the last commit.
    pages: Arc<AtomicU32>,
    restart_at: u32,
    told_at: u32,
}

impl Log {
    /// Watches the commits of this connection.
    pub fn of(db: &mut Connection, path: &Path) -> Result<Self> {
        let pages = Arc::new(AtomicU32::new(0));
        let noted = Arc::clone(&pages);
        let note = move |_: &mut Wal, pages| {
            noted.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        db.wal_hook(Some(note))?;
        Ok(Self { path: path.to_owned(), pages, restart_at: RESTART, told_at: TOLD })
    }

    /// Makes the checkpoint that is due, if one is. A failure is the next commit's: the log has everything.
    pub fn checkpoint(&mut self, db: &Connection) {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < CHECKPOINT {
            return;
        }
        let done = if pages < self.restart_at { checkpoint(db, "PASSIVE") } else { self.restart(db, pages) };
        if let Err(error) = done {
            tracing::warn!(%error, path = %self.path.display(), "the write-ahead log cannot be moved into the database; it is tried again");
        }
    }

    fn restart(&mut self, db: &Connection, pages: u32) -> Result<()> {
        db.busy_timeout(PATIENCE)?;
        let done = checkpoint(db, "RESTART");
        db.busy_timeout(BUSY)?;
        match done {
            Ok(()) => {
                self.pages.store(0, Ordering::Relaxed);
                (self.restart_at, self.told_at) = (RESTART, TOLD);
                Ok(())
            }
            Err(error) if is_busy(&error) => {
                self.restart_at = pages + RETRY;
                self.tell(pages);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn tell(&mut self, pages: u32) {
        if pages < self.told_at {
            return;
        }
        self.told_at = pages.saturating_mul(2);
        let mut index = OsString::from(&self.path);
        index.push("-shm");
        tracing::warn!(
            path = %self.path.display(),
            bytes = u64::from(pages) * 4096,
            processes = log_readers::of(Path::new(&index)),
            "the write-ahead log grows: another process reads the database for a long time. End that process"
        );
    }
}

/// The size of the write-ahead log of a database.
pub fn log_bytes(database: &Path) -> u64 {
    let mut log = OsString::from(database);
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |about| about.len())
}

fn checkpoint(db: &Connection, mode: &str) -> Result<()> {
    let busy = db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, bool>(0))?;
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    // A passive checkpoint that was in somebody's way has done what it could.
    if busy && mode != "PASSIVE" { Err(rusqlite::Error::SqliteFailure(code, None)) } else { Ok(()) }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

#[cfg(test)]
mod tests;
