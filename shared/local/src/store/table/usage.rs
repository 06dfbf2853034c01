//! `usage_hours`: plain numbers, one row for a user's hour.

use domain::{Bucket, Timestamp, Uid, Usage};
use rusqlite::{Connection, Row, params};

use crate::store::fault::{Fault, Result};
use crate::store::query::{all, queries, rows, run};

queries! {
    /// Only called where the plan's marks say that these segments are counted for the first time.
    ADD = "INSERT INTO usage_hours (uid, hour, transcribed_ms, words, segments) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET transcribed_ms = transcribed_ms + excluded.transcribed_ms,
        words = words + excluded.words, segments = segments + excluded.segments";
    LIST = "SELECT hour, transcribed_ms, words, segments FROM usage_hours
        WHERE uid = ?1 AND hour >= ?2 AND hour < ?3 ORDER BY hour LIMIT ?4";
}

pub fn add(db: &Connection, uid: &Uid, hour: Timestamp, usage: Usage) -> Result<()> {
    if usage.is_zero() {
        return Ok(());
    }
    let Usage { transcribed_ms, words, segments } = usage;
    run(db, ADD, params![uid.as_str(), hour.millis(), signed(transcribed_ms)?, signed(words)?, signed(segments)?])?;
    Ok(())
}

pub fn list(db: &Connection, uid: &Uid, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Bucket>> {
    all(db, LIST, params![uid.as_str(), from.millis(), to.millis(), rows(limit)], |row| {
        let hour = Timestamp::from_millis(row.get(0)?);
        let number = |column| unsigned(row, column, hour);
        Ok(Bucket { hour, usage: Usage { transcribed_ms: number(1)?, words: number(2)?, segments: number(3)? } })
    })
}

fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Fault::Invalid("a usage count that no audio can have"))
}

fn unsigned(row: &Row, column: usize, hour: Timestamp) -> Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|error| Fault::damaged("usage_hours", hour, error))
}
