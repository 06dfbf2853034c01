//! The version of the index: it is created, brought up to date, accepted or refused here.

use rusqlite::Connection;

use super::IndexError;

/// The version that this program writes.
pub const VERSION: i64 = 2;
/// Marks a database as ours: "AFTW".
const APPLICATION_ID: i64 = 0x4146_5457;

/// What brings an index of an earlier version to the next one: the first of them one of version 1 to version 2.
const STEPS: [&str; 1] = ["ALTER TABLE chunk ADD COLUMN losses INTEGER NOT NULL DEFAULT 0;"];

const SCHEMA: &str = include_str!("schema.sql");

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}

/// Checks the version of an index that exists.
pub fn check(connection: &Connection, path: &str) -> rusqlite::Result<Result<(), IndexError>> {
    let (id, version) = (number(connection, "application_id")?, number(connection, "user_version")?);
    let path = path.to_owned();
    Ok(match (id, version) {
        (APPLICATION_ID, VERSION) => Ok(()),
        (APPLICATION_ID, found @ 1..VERSION) => Err(IndexError::Older { path, found }),
        (APPLICATION_ID, found) if found > VERSION => Err(IndexError::Newer { path, found, known: VERSION }),
        _ => Err(IndexError::Foreign { path }),
    })
}

/// Creates the tables of a new index, or checks those of an old one.
pub fn prepare(connection: &Connection, path: &str) -> rusqlite::Result<Result<(), IndexError>> {
    let is_new = number(connection, "user_version")? == 0
        && connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))? == 0;
    if is_new {
        // One transaction: a kill leaves an index that is whole, or none.
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        ))?;
    }
    let found = number(connection, "user_version")?;
    if number(connection, "application_id")? == APPLICATION_ID && (1..VERSION).contains(&found) {
        let steps = STEPS.iter().skip(usize::try_from(found - 1).unwrap_or(usize::MAX)).copied().collect::<String>();
        connection.execute_batch(&format!("BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;"))?;
    }
    check(connection, path)
}
