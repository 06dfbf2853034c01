//! Gives the space of deleted data back to the disk, while no server runs on the folder.
//!
//! SQLite writes a compact copy of a database into a temporary file, and from there through the write-ahead log into
//! the database. So a kill leaves the database as it was, or compact; the temporary file has no name and goes with the
//! process.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::folder::DataFolder;
use crate::folder::disk::free_bytes;
use crate::sqlite::{OpenError, Size, open_to_vacuum};
use crate::{queue, store};

/// What is to stay free while a database is rewritten.
const MARGIN: u64 = 1024 * 1024;

/// The size of a database's file before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vacuumed {
    pub database: PathBuf,
    pub before: u64,
    pub after: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum VacuumError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(
        "{}: rewriting it needs {needed} bytes on its disk for a while, and {free} are free; nothing was changed. Free so much \
         there, then run this again",
        path.display()
    )]
    NoRoom { path: PathBuf, needed: u64, free: u64 },
    #[error(
        "{}: another process reads the database, and its file still has {bytes} bytes; end that process and run this again: \
         the space comes back only when nobody reads",
        path.display()
    )]
    Read { path: PathBuf, bytes: u64 },
    #[error("{}: it cannot be rewritten ({why}); it is as it was", path.display())]
    Failed { path: PathBuf, why: rusqlite::Error },
}

impl VacuumError {
    fn of(path: &Path, why: rusqlite::Error) -> Self {
        match OpenError::of(path, why) {
            OpenError::Failed { path, why } => Self::Failed { path, why },
            // A lock, damage, a full or a read-only disk: it says what to do.
            error => Self::Open(error),
        }
    }
}

/// Rewrites the databases of a folder that nobody else uses.
pub fn vacuum(folder: &DataFolder) -> Result<Vec<Vacuumed>, VacuumError> {
    let databases = [(folder.store_file(), store::MIGRATIONS), (folder.queue_file(), queue::MIGRATIONS)];
    let there = databases.into_iter().filter(|(path, _)| path.exists());
    there.map(|(path, migrations)| rewrite(folder.path(), &path, migrations)).collect()
}

fn rewrite(folder: &Path, path: &Path, migrations: &[&str]) -> Result<Vacuumed, VacuumError> {
    let db = open_to_vacuum(path, migrations)?;
    let failed = |why| VacuumError::of(path, why);
    let before = file_bytes(path);
    // What a crash left in the log belongs to the database.
    checkpoint(&db, path)?;
    let size = Size::of(&db).map_err(failed)?;
    // Once in the temporary file, and once in the log.
    let needed = 2 * (size.bytes - size.free_bytes) + MARGIN;
    let free = free_bytes(folder);
    if free < needed {
        return Err(VacuumError::NoRoom { path: path.to_owned(), needed, free });
    }
    compact(&db, folder).map_err(failed)?;
    checkpoint(&db, path)?;
    Ok(Vacuumed { database: path.to_owned(), before, after: file_bytes(path) })
}

fn compact(db: &Connection, folder: &Path) -> rusqlite::Result<()> {
    // The temporary file is a copy of everything: it belongs on the disk of the data folder, whose room was checked,
    // and not into the memory.
    db.pragma_update(None, "temp_store", "FILE")?;
    db.pragma_update(None, "temp_store_directory", folder.to_string_lossy())?;
    db.execute_batch("VACUUM")
}

/// Moves the log into the database, whose file then has its final size. A reader of an earlier state prevents that, which
/// is no error for SQLite.
fn checkpoint(db: &Connection, path: &Path) -> Result<(), VacuumError> {
    let is_busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    match is_busy {
        Ok(false) => Ok(()),
        Ok(true) => Err(VacuumError::Read { path: path.to_owned(), bytes: file_bytes(path) }),
        Err(why) => Err(VacuumError::of(path, why)),
    }
}

/// The file is never opened for this: closing it would release the locks of this process.
fn file_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqliteStore;

    #[test]
    fn folder_of_a_newer_version_is_not_rewritten() {
        let at = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(at.path()).unwrap();
        drop(SqliteStore::open(&folder.store_file(), 1).unwrap());
        Connection::open(folder.store_file()).unwrap().pragma_update(None, "user_version", 9999).unwrap();
        assert!(matches!(vacuum(&folder), Err(VacuumError::Open(OpenError::Newer { found: 9999, .. }))));
    }
}
