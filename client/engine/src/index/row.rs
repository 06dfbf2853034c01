//! How a chunk is written into its row, and read from it.

use std::str::FromStr;

use domain::{Blame, Codec, FrameFormat, Timestamp, Uid};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};

use crate::chunk::{Chunk, ChunkId, LastError, Place, State, Transfer};

/// The columns of a chunk, in the order in which [`chunk`] reads them.
pub const COLUMNS: &str = "id, owner, name, place, path, captured_at, sends_captured_at, codec, rate, channels, \
    frame_samples, duration_ms, frames, synced_prefix, device, session, conversation_id, bytes, sha256, crc32c, state, \
    retry_count, service_retries, attempts, next_attempt_at, error_code, error_blame, error_detail, job_id, uploaded_at, \
    confirmed_at, batch_limit, was_missing, resumable, losses";

/// A value that the program did not write: the row is damaged.
fn damaged(column: usize) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, "a value that no version of this program writes".into())
}

fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> Result<T> {
    row.get_ref(column)?.as_str()?.parse().map_err(|_| damaged(column))
}

pub fn optional<T: FromStr>(row: &Row<'_>, column: usize) -> Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse().map_err(|_| damaged(column))).transpose()
}

pub fn time(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

/// A number that is never negative. SQLite has no unsigned ones.
pub fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?).map_err(|_| damaged(column))
}

/// A number as SQLite stores it. No file has 2^63 bytes.
pub fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub fn uid(row: &Row<'_>, column: usize) -> Result<Uid> {
    Uid::new(row.get::<_, String>(column)?).map_err(|_| damaged(column))
}

fn format(row: &Row<'_>) -> Result<Option<FrameFormat>> {
    let Some(codec) = optional::<CodecName>(row, 7)? else { return Ok(None) };
    Ok(Some(FrameFormat { codec: codec.0, rate: row.get(8)?, channels: row.get(9)?, frame_samples: row.get(10)? }))
}

struct CodecName(Codec);

impl FromStr for CodecName {
    type Err = ();
    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        text.parse().map(Self)
    }
}

pub const fn blame_name(blame: Blame) -> &'static str {
    match blame {
        Blame::Content => "content",
        Blame::Limit => "limit",
        Blame::Service => "service",
    }
}

fn last_error(row: &Row<'_>) -> Result<Option<LastError>> {
    let Some(code) = row.get::<_, Option<String>>(25)? else { return Ok(None) };
    let blame = match row.get::<_, Option<String>>(26)? {
        None => None,
        Some(name) => Some(Blame::ALL.into_iter().find(|b| blame_name(*b) == name).ok_or_else(|| damaged(26))?),
    };
    Ok(Some(LastError { code, blame, detail: row.get(27)? }))
}

fn place(row: &Row<'_>) -> Result<Place> {
    let path: String = row.get(4)?;
    match row.get_ref(3)?.as_str()? {
        "own" => Ok(Place::Own(path)),
        "foreign" => Ok(Place::Foreign(path)),
        "deleted" => Ok(Place::Deleted),
        _ => Err(damaged(3)),
    }
}

/// The columns `place` and `path`.
pub fn place_columns(place: &Place) -> (&'static str, &str) {
    match place {
        Place::Own(path) => ("own", path),
        Place::Foreign(path) => ("foreign", path),
        Place::Deleted => ("deleted", ""),
    }
}

fn transfer(row: &Row<'_>) -> Result<Transfer> {
    Ok(Transfer {
        state: parsed::<State>(row, 20)?,
        retry_count: row.get(21)?,
        service_retries: row.get(22)?,
        attempts: row.get(23)?,
        next_attempt_at: time(row, 24)?,
        last_error: last_error(row)?,
        job_id: optional(row, 28)?,
        uploaded_at: time(row, 29)?,
        confirmed_at: time(row, 30)?,
        batch_limit: row.get(31)?,
        was_missing: row.get(32)?,
        resumable: row.get(33)?,
        losses: row.get(34)?,
    })
}

/// Reads a row of [`COLUMNS`].
pub fn chunk(row: &Row<'_>) -> Result<Chunk> {
    Ok(Chunk {
        id: ChunkId(row.get(0)?),
        owner: uid(row, 1)?,
        name: row.get(2)?,
        place: place(row)?,
        captured_at: Timestamp::from_millis(row.get(5)?),
        sends_captured_at: row.get(6)?,
        format: format(row)?,
        duration_ms: number(row, 11)?,
        frames: number(row, 12)?,
        synced_prefix: number(row, 13)?,
        device: row.get(14)?,
        session: row.get(15)?,
        conversation_id: optional(row, 16)?,
        bytes: number(row, 17)?,
        sha256: optional(row, 18)?,
        crc32c: row.get(19)?,
        transfer: transfer(row)?,
    })
}
