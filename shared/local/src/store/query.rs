//! Runs queries: statements are prepared once for each connection and kept.

use std::fmt::Display;

use domain::Timestamp;
use domain::listing::Begin;
use rusqlite::{Connection, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::fault::{Fault, Result, listed};

/// Declares the queries of a module, and lists them for the test that checks their plans.
macro_rules! queries {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* const $name: &str = $sql;)*

        #[cfg(test)]
        pub const QUERIES: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}
pub(super) use queries;

/// The first row, if there is one.
pub fn one<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

pub fn all<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// The first `limit` rows that can be read. Damaged rows do not count: otherwise a page full of them
/// would hide everything after it.
pub fn sound_ones<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    limit: usize,
    mut read: impl FnMut(&Row) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        found.extend(listed(read(row))?);
    }
    Ok(found)
}

/// Runs a statement that changes rows, and returns how many it changed.
pub fn run(db: &Connection, sql: &str, params: impl Params) -> Result<usize> {
    Ok(db.prepare_cached(sql)?.execute(params)?)
}

/// Serializes a document. Our own types always become JSON; if one day a value does not, nothing is
/// written.
pub fn to_document(table: &'static str, value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Fault::damaged(table, "(unwritten)", error))
}

/// Reads a stored document.
pub fn from_document<T: DeserializeOwned>(
    table: &'static str,
    row: &Row,
    column: usize,
    id: &dyn Display,
) -> Result<T> {
    let bytes = row.get_ref(column)?.as_bytes()?;
    flow::document::read(bytes).map_err(|why| Fault::unreadable(table, id, why))
}

/// The position just before the first row of a page, for one comparison with the columns of a time and an id.
pub fn position<C>(begin: Begin<C>, of: impl FnOnce(C) -> (Timestamp, Uuid)) -> (i64, [u8; 16]) {
    match begin {
        Begin::First => (i64::MIN, [0; 16]),
        // The last possible position before that time.
        Begin::At(from) => (from.millis().saturating_sub(1), [0xFF; 16]),
        Begin::After(cursor) => {
            let (at, id) = of(cursor);
            (at.millis(), id.into_bytes())
        }
    }
}

/// Converts a limit to SQLite's integer type.
pub fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
