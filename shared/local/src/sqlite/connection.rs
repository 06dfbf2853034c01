//! Opens connections with the settings for durability and speed.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Error, OpenFlags, ffi};

use super::create::make_if_absent;
use super::migrate::{OpenError, check, migrate};

/// The busy timeout. Only a backup or a command beside the server may hold a lock, and neither holds it
/// for long.
pub const BUSY: Duration = Duration::from_secs(5);
/// The size of the statement cache: more than there are queries.
const STATEMENTS: usize = 128;

/// Settings of the writer. They are safe against power loss: a commit returns when the log is on the
/// disk. The cache is 16 MiB, and a log that grew during a long read shrinks to 16 MiB again. The writer
/// makes the checkpoints itself (`log.rs`).
const WRITER: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -16384;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA trusted_schema = OFF;
";

/// What happens to the content of deleted rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It may be found in the file until other data overwrites it.
    Left,
    /// It is overwritten. That costs no I/O in pages that are written anyway; only documents longer than a
    /// page leave free pages behind (`FAST` would skip those and keep their text).
    Erased,
}

impl Deleted {
    fn setting(self) -> &'static str {
        match self {
            Deleted::Left => "PRAGMA secure_delete = OFF",
            Deleted::Erased => "PRAGMA secure_delete = ON",
        }
    }
}

/// Settings of a reader. The cache is 4 MiB for each reader.
const READER: &str = "
    PRAGMA query_only = ON;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -4096;
    PRAGMA trusted_schema = OFF;
";

/// Creates the database if necessary, and brings its schema up to date.
pub fn open_to_write(path: &Path, migrations: &[&str], deleted: Deleted) -> Result<Connection, OpenError> {
    make_if_absent(path, migrations)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let db = open(path, flags, WRITER, |db| {
        // A foreign database is refused before anything in it is changed.
        check(db, path, migrations)?;
        write_ahead(db, path)?;
        migrate(db, path, migrations)
    })?;
    db.execute_batch(deleted.setting()).map_err(|error| OpenError::of(path, error))?;
    Ok(db)
}

/// Opens a database that a running server may have open too: it is neither created nor upgraded.
pub fn open_alongside(path: &Path, migrations: &[&str], deleted: Deleted) -> Result<Connection, OpenError> {
    let db = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER, |db| {
        let found = check(db, path, migrations)?;
        let known = migrations.len();
        if found == known { Ok(()) } else { Err(OpenError::Older { path: path.to_owned(), found, known }) }
    })?;
    db.execute_batch(deleted.setting()).map_err(|error| OpenError::of(path, error))?;
    Ok(db)
}

/// Opens a database that is rewritten in place.
pub fn open_to_vacuum(path: &Path, migrations: &[&str]) -> Result<Connection, OpenError> {
    open_alongside(path, migrations, Deleted::Left)
}

/// Opens a connection that sees every commit that was answered before its transaction began.
pub fn open_to_read(path: &Path) -> Result<Connection, OpenError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER, |_| Ok(()))
}

fn open(
    path: &Path,
    flags: OpenFlags,
    settings: &str,
    prepare: impl FnOnce(&mut Connection) -> Result<(), OpenError>,
) -> Result<Connection, OpenError> {
    let failed = |error| OpenError::of(path, error);
    // Each connection stays on one thread, and a path is never read as a URI.
    let mut db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
    db.busy_timeout(BUSY).map_err(failed)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    prepare(&mut db)?;
    db.execute_batch(settings).map_err(failed)?;
    Ok(db)
}

/// Checks the structure of every page of the file.
pub fn check_pages(db: &Connection) -> rusqlite::Result<()> {
    match db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?.as_str() {
        "ok" => Ok(()),
        why => Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(why.to_owned()))),
    }
}

fn write_ahead(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let mode = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
    match mode.map_err(|error| OpenError::of(path, error))?.as_str() {
        "wal" => Ok(()),
        _ => Err(OpenError::NoSharedMemory { path: path.to_owned() }),
    }
}
