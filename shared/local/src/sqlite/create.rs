//! Creates a new database under a temporary name, syncs it once and then renames it, so that it is
//! complete and durable or not there.
//!
//! Under its final name it would be synced after each migration, which is most of the time of a first
//! start.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::migrate::{OpenError, migrate};
use crate::folder::{durable, private};

/// An interrupted creation is discarded, so nothing has to be durable before its end.
const MAKING: &str = "
    PRAGMA synchronous = OFF;
    PRAGMA journal_mode = MEMORY;
";

/// Creates the database if nothing has its name. The caller must have the folder for itself.
pub fn make_if_absent(path: &Path, migrations: &[&str]) -> Result<(), OpenError> {
    if path.exists() {
        return Ok(());
    }
    let aside = beside(path, ".new");
    remove(&aside);
    let unmade = |why: io::Error| OpenError::of(path, failed(&why));
    // SQLite would create it with the process's default mode. The log and the index take the mode of the
    // database.
    private::make_file(&aside).map_err(unmade)?;
    let made = make(&aside, path, migrations).and_then(|()| give_name(&aside, path).map_err(unmade));
    made.inspect_err(|_| remove(&aside))
}

fn make(aside: &Path, path: &Path, migrations: &[&str]) -> Result<(), OpenError> {
    let failed = |error| OpenError::of(path, error);
    let mut db = Connection::open(aside).map_err(failed)?;
    db.execute_batch(MAKING).map_err(failed)?;
    migrate(&mut db, path, migrations)?;
    // This is stored in the file. Whether the disk supports it is checked when the database is opened.
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(failed)?;
    db.close().map_err(|(_, error)| failed(error))
}

fn give_name(aside: &Path, path: &Path) -> io::Result<()> {
    File::open(aside)?.sync_all()?;
    durable::rename_without_replacing(aside, path)?;
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(Ok(()), durable::sync)
}

/// Removes the file and everything that SQLite may have put beside it.
fn remove(aside: &Path) {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let _ = fs::remove_file(beside(aside, suffix));
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(why: &io::Error) -> rusqlite::Error {
    let code = if system::is_full(why) { rusqlite::ffi::SQLITE_FULL } else { rusqlite::ffi::SQLITE_IOERR };
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIGRATIONS: &[&str] = &["CREATE TABLE t (a)", "CREATE TABLE u (a)"];

    fn names(folder: &Path) -> Vec<OsString> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn interrupted_creation_is_repeated_and_leaves_no_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        for left in ["a.db.new", "a.db.new-journal", "a.db.new-wal"] {
            fs::write(folder.path().join(left), "half a page").unwrap();
        }
        make_if_absent(&path, MIGRATIONS).unwrap();
        assert_eq!(names(folder.path()), ["a.db"]);
        let db = Connection::open(&path).unwrap();
        let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
        assert_eq!(pragma("user_version"), rusqlite::types::Value::Integer(2));
        assert_eq!(pragma("journal_mode"), rusqlite::types::Value::Text("wal".into()));
    }

    #[test]
    fn existing_file_stays_and_failed_creation_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        assert!(make_if_absent(&path, &["CREATE NONSENSE"]).is_err());
        assert_eq!(names(folder.path()), [""; 0]);
        fs::write(&path, "somebody's").unwrap();
        make_if_absent(&path, MIGRATIONS).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"somebody's");
    }
}
