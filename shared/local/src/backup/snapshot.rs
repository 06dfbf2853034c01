//! Copies the store as of one moment, page by page, while others write.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, Error, ffi};

use super::BackupError;
use crate::folder::private;
use crate::sqlite::open_to_read;

/// Pages copied in one step: 4 MiB.
const PAGES: i32 = 1024;
/// How often a step is repeated while the database is locked. Each try has already waited for the
/// connection's busy timeout.
const RETRIES: u32 = 10;

pub fn take(store: &Path, to: &Path) -> Result<(), BackupError> {
    let failed = |why| BackupError::Store { path: store.to_owned(), why };
    let source = open_to_read(store)?;
    // The file is private from its first byte, like the folder around it.
    private::make_file(to).map_err(|why| BackupError::Failed { path: to.to_owned(), why })?;
    let mut copy = Connection::open(to).map_err(failed)?;
    copy_pages(&source, &mut copy).map_err(failed)?;
    // The copy is checked now, so that a damaged backup is noticed when it is made and not when it is
    // needed.
    match copy.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)).map_err(failed)?.as_str() {
        "ok" => copy.close().map_err(|(_, why)| failed(why)),
        why => Err(BackupError::Damaged { path: store.to_owned(), why: why.to_owned() }),
    }
}

fn copy_pages(source: &Connection, copy: &mut Connection) -> rusqlite::Result<()> {
    // An open read transaction fixes the state that is copied. Without it each commit of the server would
    // restart the copy.
    source.execute_batch("BEGIN")?;
    source.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    copy.execute_batch("PRAGMA synchronous = OFF")?;
    let backup = Backup::new(source, copy)?;
    let mut retries = 0;
    loop {
        match backup.step(PAGES)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ if retries < RETRIES => retries += 1,
            _ => return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)),
        }
    }
}
