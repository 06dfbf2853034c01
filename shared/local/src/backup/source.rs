//! Reads the store page by page in the state of one moment, without keeping the write-ahead log from shrinking.
//!
//! While a snapshot is open, the server cannot start its log anew. So a snapshot ends when the log has grown too much,
//! and the next one is compared with what was copied: only pages that changed are copied again. A round that reads all
//! pages in one snapshot makes the copy complete.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension};
use sha2::{Digest, Sha256};
use system::Stop;

use super::BackupError;
use crate::sqlite::{log_bytes, open_to_read};
use crate::store;

/// The size of the log above which a snapshot ends. The server starts its log anew at half of it.
pub const LOG_LIMIT: u64 = 32 * 1024 * 1024;
/// How much the log may grow in a snapshot that began with a long log, as after a crash of the server.
const LOG_GROWTH: u64 = 8 * 1024 * 1024;
/// The most rounds. Each later round reads at the speed of the source, whatever the target.
const ROUNDS: usize = 50;
/// The number of pages after which the log and the signals are looked at: 256 KiB.
pub const PAGES_A_LOOK: u32 = 64;
/// The number of SQLite's own steps after which a long statement looks at the log.
const OPERATIONS_A_LOOK: i32 = 10_000;
const PAUSE: Duration = Duration::from_millis(50);
/// How many pauses the next round waits for the server to start its log anew. The server does so at one of its next
/// commits.
const LOG_WAITS: usize = 40;

/// What a page is recognised by: the beginning of its SHA-256.
pub type PageSum = [u8; 16];

pub fn sum(page: &[u8]) -> PageSum {
    let digest: [u8; 32] = Sha256::digest(page).into();
    let [sum, _] = digest.as_chunks().0 else { return PageSum::default() };
    *sum
}

pub struct Source {
    db: Connection,
    path: PathBuf,
    pub page_bytes: usize,
    /// The size of the log at which the open snapshot ends.
    allowed: Cell<u64>,
    stop: Stop,
}

impl Source {
    pub fn open(path: &Path, stop: &Stop) -> Result<Self, BackupError> {
        // A store that no server has open needs a new index for its log.
        let opened = open_to_read(path).and_then(|db| store::refuse_newer(&db, path).map(|()| db));
        let db = opened.map_err(BackupError::opening)?;
        let bytes = db.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0));
        let page_bytes = bytes.map_err(|why| BackupError::of_store(path, why))? as usize;
        let (allowed, stop) = (Cell::new(0), stop.clone());
        Ok(Self { db, path: path.to_owned(), page_bytes, allowed, stop })
    }

    /// Checks the structure of each table, so that damage is noticed when the backup is made and not when it is needed.
    /// Each table is checked in a snapshot of its own.
    pub fn check_structure(&mut self) -> Result<(), BackupError> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0";
        let tables = self.db.prepare(sql).and_then(|mut statement| {
            statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()
        });
        for table in tables.map_err(|why| self.error(why))? {
            self.tick()?;
            let checked = self.within_limit(|db| {
                db.query_row("SELECT * FROM pragma_quick_check(?1)", [&table], |row| row.get::<_, String>(0)).optional()
            });
            match checked.map_err(|why| self.error(why))?.as_deref() {
                None | Some("ok") => {}
                Some(why) => return Err(BackupError::Damaged { path: self.path.clone(), why: why.to_owned() }),
            }
        }
        self.tick()
    }

    /// Runs one long statement, which ends early when the log has grown too much. `None`: it ended early.
    fn within_limit<T>(
        &mut self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<Option<T>>,
    ) -> rusqlite::Result<Option<T>> {
        let (path, stop) = (self.path.clone(), self.stop.clone());
        let allowed = self.allowance();
        let is_over = move || stop.is_set() || log_bytes(&path) > allowed;
        self.db.progress_handler(OPERATIONS_A_LOOK, Some(is_over))?;
        let looked = look(&self.db);
        self.db.progress_handler(0, None::<fn() -> bool>)?;
        match looked {
            Err(why) if why.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(None),
            looked => looked,
        }
    }

    /// Copies the pages that are not recognised by `sums`, in as many rounds as it takes, and notes their sums. Returns
    /// the number of pages of the store.
    pub fn copy(
        &self,
        sums: &mut Vec<PageSum>,
        mut write: impl FnMut(u32, &[u8]) -> Result<(), BackupError>,
    ) -> Result<u32, BackupError> {
        let mut page = vec![0; self.page_bytes];
        for round in 1..=ROUNDS {
            let pages = self.begin()?;
            for number in 1..=pages {
                if number % PAGES_A_LOOK == 0 {
                    self.tick()?;
                }
                if !self.is_open() {
                    break;
                }
                self.read(number, &mut page)?;
                let (at, sum) = (number as usize - 1, sum(&page));
                if sums.get(at) != Some(&sum) {
                    write(number, &page)?;
                    sums.resize(sums.len().max(at + 1), PageSum::default());
                    sums[at] = sum;
                }
            }
            if self.is_open() {
                self.end()?;
                sums.truncate(pages as usize);
                return Ok(pages);
            }
            tracing::debug!(round, "the snapshot was ended, so that the write-ahead log can shrink");
            self.wait_for_log()?;
        }
        Err(BackupError::Outpaced { path: self.path.clone() })
    }

    /// Opens a snapshot. Returns its number of pages.
    pub fn begin(&self) -> Result<u32, BackupError> {
        self.allowed.set(self.allowance());
        let begun = self.db.execute_batch("BEGIN").and_then(|()| {
            // The snapshot is that of the first read.
            self.db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            self.db.pragma_query_value(None, "page_count", |row| row.get(0))
        });
        begun.map_err(|why| self.error(why))
    }

    /// Whether the snapshot is still open: [`tick`](Self::tick) may have ended it.
    pub fn is_open(&self) -> bool {
        !self.db.is_autocommit()
    }

    pub fn read(&self, number: u32, page: &mut [u8]) -> Result<(), BackupError> {
        let read =
            self.db.prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?1").and_then(|mut statement| {
                statement.query_row([number], |row| {
                    page.copy_from_slice(row.get_ref(0)?.as_blob()?);
                    Ok(())
                })
            });
        read.map_err(|why| self.error(why))
    }

    pub fn end(&self) -> Result<(), BackupError> {
        self.db.execute_batch("ROLLBACK").map_err(|why| self.error(why))
    }

    /// Ends the snapshot if the log has grown too much, and the backup if that was asked for.
    pub fn tick(&self) -> Result<(), BackupError> {
        if self.stop.is_set() {
            return Err(BackupError::Stopped);
        }
        if self.is_open() && log_bytes(&self.path) > self.allowed.get() {
            self.end()?;
        }
        Ok(())
    }

    /// Waits until the server has started its log anew, or for two seconds: a server that does not write does not grow
    /// it either.
    pub fn wait_for_log(&self) -> Result<(), BackupError> {
        for _ in 0..LOG_WAITS {
            self.pause()?;
            if log_bytes(&self.path) < LOG_LIMIT {
                break;
            }
        }
        Ok(())
    }

    /// Waits a moment for another process, but not against a signal.
    #[expect(clippy::disallowed_methods, reason = "a command waits for another process; there is no port for it")]
    pub fn pause(&self) -> Result<(), BackupError> {
        self.tick()?;
        std::thread::sleep(PAUSE);
        Ok(())
    }

    fn allowance(&self) -> u64 {
        LOG_LIMIT.max(log_bytes(&self.path) + LOG_GROWTH)
    }

    fn error(&self, why: rusqlite::Error) -> BackupError {
        BackupError::of_store(&self.path, why)
    }
}
