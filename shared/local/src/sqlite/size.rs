//! How large a database is on the disk.

use rusqlite::{Connection, Result};

use super::log::log_bytes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The database with its free pages, without the log.
    pub bytes: u64,
    pub log_bytes: u64,
    /// What deleted data left: new data goes there first.
    pub free_bytes: u64,
}

impl Size {
    /// The database file itself is never opened for this: closing it would release the locks of this process.
    pub fn of(db: &Connection) -> Result<Self> {
        let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0)).map(u64::from);
        let page = number("page_size")?;
        let log_bytes = db.path().map_or(0, |path| log_bytes(path.as_ref()));
        Ok(Self { bytes: number("page_count")? * page, log_bytes, free_bytes: number("freelist_count")? * page })
    }
}
