//! `usage_hours`: plain numbers, one row for each hour of a user.

use domain::usage::MAX_COUNT;
use domain::{Bucket, InvalidWrite, Timestamp, Uid, Usage};
use rusqlite::{Connection, Row, params};

use crate::store::fault::{Fault, Result, sound};
use crate::store::query::{all, one, queries, rows, run, sound_ones};

queries! {
    /// Only called when the plan's marks say that these segments have not been counted yet.
    ADD = "INSERT INTO usage_hours (uid, hour, transcribed_ms, words, segments) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET transcribed_ms = transcribed_ms + excluded.transcribed_ms,
        words = words + excluded.words, segments = segments + excluded.segments";
    LOAD = "SELECT hour, transcribed_ms, words, segments FROM usage_hours WHERE uid = ?1 AND hour = ?2";
    IN_ORDER = "SELECT hour, transcribed_ms, words, segments FROM usage_hours
        WHERE uid = ?1 AND hour > ?2 ORDER BY hour LIMIT ?3";
    LIST = "SELECT hour, transcribed_ms, words, segments FROM usage_hours
        WHERE uid = ?1 AND hour >= ?2 AND hour < ?3 ORDER BY hour";
    DELETE = "DELETE FROM usage_hours WHERE uid = ?1 AND hour = ?2";
}

pub fn add(db: &Connection, uid: &Uid, hour: Timestamp, usage: Usage) -> Result<()> {
    if usage.is_zero() {
        return Ok(());
    }
    // An hour that cannot be read starts again at zero, because its count is lost.
    if sound(load(db, uid, hour))?.is_none() {
        run(db, DELETE, params![uid.as_str(), hour.millis()])?;
    }
    let Usage { transcribed_ms, words, segments } = usage;
    run(db, ADD, params![uid.as_str(), hour.millis(), signed(transcribed_ms)?, signed(words)?, signed(segments)?])?;
    Ok(())
}

/// Loads an hour; a damaged one is an error.
pub fn load(db: &Connection, uid: &Uid, hour: Timestamp) -> Result<Option<Bucket>> {
    one(db, LOAD, params![uid.as_str(), hour.millis()], read)
}

pub fn list(db: &Connection, uid: &Uid, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Bucket>> {
    sound_ones(db, LIST, params![uid.as_str(), from.millis(), to.millis()], limit, read)
}

/// All of the user's hours after the cursor. Damaged ones are returned as errors with their hour.
pub fn in_order(
    db: &Connection,
    uid: &Uid,
    after: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<(Timestamp, Result<Bucket>)>> {
    let after = after.map_or(i64::MIN, Timestamp::millis);
    all(db, IN_ORDER, params![uid.as_str(), after, rows(limit)], |row| {
        Ok((Timestamp::from_millis(row.get(0)?), read(row)))
    })
}

/// Reads a row of `hour` and its counts.
pub fn read(row: &Row) -> Result<Bucket> {
    let hour = Timestamp::from_millis(row.get(0)?);
    let number = |column| unsigned(row, column, hour);
    Ok(Bucket { hour, usage: Usage { transcribed_ms: number(1)?, words: number(2)?, segments: number(3)? } })
}

fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| InvalidWrite::UsageCount.into())
}

fn unsigned(row: &Row, column: usize, hour: Timestamp) -> Result<u64> {
    let number: i64 = row.get(column)?;
    let damaged = || Fault::damaged("usage_hours", hour, format!("{number} is no count"));
    u64::try_from(number).ok().filter(|number| *number <= MAX_COUNT).ok_or_else(damaged)
}
