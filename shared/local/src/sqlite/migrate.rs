//! Which schema version a database has, and the upgrade to the one this program knows.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::folder::DiskRefusal;
use crate::folder::disk::free_bytes;

/// "AftW": distinguishes our files from those of other programs, also for the `file` command.
const APPLICATION_ID: i32 = 0x4166_7457;

/// Why a database cannot be used, in one line for the person who starts the program.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "{}: this data folder was written by a newer version (schema {found}, this program knows {known}); \
         start that version again",
        path.display()
    )]
    Newer { path: PathBuf, found: usize, known: usize },
    #[error(
        "{}: this data folder was written by an older version (schema {found}, this program needs {known}); \
         start the server of this version once",
        path.display()
    )]
    Older { path: PathBuf, found: usize, known: usize },
    #[error("{}: this is a database of another program; choose another data folder", path.display())]
    Foreign { path: PathBuf },
    #[error(
        "{}: the file is damaged ({why}). What it holds since the last backup is lost unless the file can be mended; audio \
         in blobs/ and the keys in secrets/ lie beside it and are not touched. Keep this folder, restore a backup into an \
         empty one (tar -xf BACKUP -C FOLDER) and start with that: devices send again what they still have",
        path.display()
    )]
    Damaged { path: PathBuf, why: rusqlite::Error },
    #[error("{}: another process holds the database locked; end it, then try again", path.display())]
    Locked { path: PathBuf },
    #[error("{}: the database needs a local disk; this one shares no memory between processes", path.display())]
    NoSharedMemory { path: PathBuf },
    #[error("{}: the database cannot be used: {refusal}", path.display())]
    Disk { path: PathBuf, refusal: DiskRefusal },
    #[error("{}: the database cannot be opened ({why})", path.display())]
    Failed { path: PathBuf, why: rusqlite::Error },
    #[error(
        "{}: the file is damaged and cannot be put aside ({why}); remove it and start again: nothing is lost, the store \
         knows every job",
        path.display()
    )]
    CannotMoveAside { path: PathBuf, why: std::io::Error },
    #[error("{}: no thread can be started for the database ({why})", path.display())]
    NoThread { path: PathBuf, why: std::io::Error },
}

impl OpenError {
    pub fn of(path: &Path, why: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match why.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, why },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path },
            Some(ErrorCode::DiskFull) => Self::Disk { refusal: DiskRefusal::Full { free: free_bytes(&path) }, path },
            // SQLite does not tell why a file cannot be opened or written.
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure) => {
                match DiskRefusal::at(&path) {
                    Some(refusal) => Self::Disk { path, refusal },
                    None => Self::Failed { path, why },
                }
            }
            _ => Self::Failed { path, why },
        }
    }
}

impl OpenError {
    /// Maps errors about wrong statements to damage: the schema is then not what its version says.
    pub fn broken_schema(self) -> Self {
        match self {
            Self::Failed { path, why } if is_wrong_statement(&why) => Self::Damaged { path, why },
            error => error,
        }
    }
}

fn is_wrong_statement(why: &rusqlite::Error) -> bool {
    use rusqlite::Error::{SqlInputError, SqliteFailure};
    matches!(why, SqliteFailure(error, _) | SqlInputError { error, .. } if error.code == ErrorCode::Unknown)
}

/// Returns the version of the file if it is ours and not newer than this program. Nothing is changed.
pub fn check(db: &Connection, path: &Path, migrations: &[&str]) -> Result<usize, OpenError> {
    let known = migrations.len();
    let stamp = stamp(db).map_err(|error| OpenError::of(path, error))?;
    match stamp {
        Stamp::Empty => Ok(0),
        Stamp::Foreign => Err(OpenError::Foreign { path: path.to_owned() }),
        Stamp::Ours(found) if found > known => Err(OpenError::Newer { path: path.to_owned(), found, known }),
        Stamp::Ours(found) => Ok(found),
    }
}

/// Applies the missing migrations, each in a transaction together with its number.
pub fn migrate(db: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), OpenError> {
    let done = check(db, path, migrations)?;
    for (version, migration) in (1_u32..).zip(migrations).skip(done) {
        apply(db, version, migration).map_err(|error| OpenError::of(path, error))?;
    }
    Ok(())
}

fn apply(db: &mut Connection, version: u32, migration: &str) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(migration)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}

enum Stamp {
    /// The file was just created, or its creation was interrupted before the first migration.
    Empty,
    Foreign,
    Ours(usize),
}

fn stamp(db: &Connection) -> rusqlite::Result<Stamp> {
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (number("application_id")?, usize::try_from(number("user_version")?)) {
        (0, Ok(0)) if tables == 0 => Stamp::Empty,
        (APPLICATION_ID, Ok(version)) => Stamp::Ours(version),
        _ => Stamp::Foreign,
    })
}

#[cfg(test)]
mod tests;
