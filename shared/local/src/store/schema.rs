//! The schema, version by version. A released version is never edited: the next one changes its tables.

use std::path::Path;

use rusqlite::Connection;

use crate::sqlite::{self, OpenError};

/// The migrations in order. Each is applied in its own transaction, and the file records how many were
/// applied.
pub const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
    include_str!("schema/8.sql"),
];

/// Refuses a database of a newer version or of another program.
pub fn refuse_newer(db: &Connection, path: &Path) -> Result<(), OpenError> {
    sqlite::check(db, path, MIGRATIONS).map(drop)
}

/// Refuses a database whose schema version is not exactly ours.
pub fn check(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let version = db.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0));
    let found = version.map_err(|error| OpenError::of(path, error))? as usize;
    let (known, path) = (MIGRATIONS.len(), path.to_owned());
    match found.cmp(&known) {
        std::cmp::Ordering::Less => Err(OpenError::Older { path, found, known }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(OpenError::Newer { path, found, known }),
    }
}
