//! The tables, version by version. A version that was shipped is never edited: the next one changes what it made.

use std::path::Path;

use rusqlite::Connection;

use crate::sqlite::OpenError;

/// Applied in order, each in a transaction of its own; how many were applied stands in the file.
pub const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
    include_str!("schema/7.sql"),
];

/// Refuses a database that is not of this very version.
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
