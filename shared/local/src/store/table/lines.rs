//! `lines`: the text of a segment, stored under its recording and found by its place.

use domain::line::FoundBy;
use domain::texts::in_order as in_order_of_time;
use domain::{ConversationId, Line, RecordingId, SegmentId, Timestamp, Uid};
use flow::ports::LineCursor;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::store::fault::{Fault, Result, sound};
use crate::store::query::{all, from_document, one, queries, rows, run, to_document};

const TABLE: &str = "lines";

queries! {
    EMPTIED = "SELECT document = '' FROM lines WHERE uid = ?1 AND recording = ?2 AND start_ms = ?3";
    LOAD = "SELECT document FROM lines WHERE uid = ?1 AND recording = ?2 AND start_ms = ?3";
    /// Emptied lines have no text left to export.
    IN_ORDER = "SELECT document, recording, start_ms FROM lines
        WHERE uid = ?1 AND (recording, start_ms) > (?2, ?3) AND document <> '' ORDER BY recording, start_ms LIMIT ?4";
    /// The first text of a segment wins.
    INSERT = "INSERT INTO lines (uid, recording, start_ms, stream, starts_at, place, conversation, document)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
    UPDATE = "UPDATE lines SET place = ?4, conversation = ?5, document = ?6
        WHERE uid = ?1 AND recording = ?2 AND start_ms = ?3";
    EMPTY = "UPDATE lines SET place = NULL, document = '' WHERE uid = ?1 AND recording = ?2 AND start_ms = ?3";
    TIMED = "SELECT starts_at, recording, start_ms, conversation FROM lines
        WHERE place = 'timed' AND uid = ?1 AND stream = ?2
        AND (starts_at, recording, start_ms) > (?3, ?4, ?5) AND starts_at <= ?6
        ORDER BY starts_at, recording, start_ms";
    ATTACHED = "SELECT starts_at, recording, start_ms FROM lines
        WHERE place = 'attached' AND uid = ?1 AND conversation = ?2
        AND (starts_at, recording, start_ms) > (?3, ?4, ?5)
        ORDER BY starts_at, recording, start_ms LIMIT ?6";
}

/// The position of a line in its conversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    starts_at: i64,
    recording: [u8; 16],
    start_ms: u32,
}

impl Key {
    /// The position just before every line that starts at `at`.
    pub fn before(at: Timestamp) -> Self {
        Self { starts_at: at.millis().saturating_sub(1), recording: [0xFF; 16], start_ms: u32::MAX }
    }

    /// The position before every line.
    pub const FIRST: Self = Self { starts_at: i64::MIN, recording: [0; 16], start_ms: 0 };

    pub fn cursor(&self) -> LineCursor {
        let (starts_at, recording) = (Timestamp::from_millis(self.starts_at), RecordingId::from_bytes(self.recording));
        LineCursor { starts_at, recording, start_ms: self.start_ms }
    }
}

impl From<LineCursor> for Key {
    fn from(cursor: LineCursor) -> Self {
        Self { starts_at: cursor.starts_at.millis(), recording: *cursor.recording.bytes(), start_ms: cursor.start_ms }
    }
}

/// How a conversation finds the line: by time, or because it is attached.
fn place(line: &Line) -> Option<&'static str> {
    line.found_by().map(|found_by| match found_by {
        FoundBy::Id(_) => "attached",
        FoundBy::Time => "timed",
    })
}

fn conversation(line: &Line) -> Option<[u8; 16]> {
    line.conversation_id.map(|id| *id.0.as_bytes())
}

/// Loads a line; a damaged one counts as missing.
pub fn load(db: &Connection, uid: &Uid, segment: SegmentId) -> Result<Option<Line>> {
    Ok(sound(load_as_stored(db, uid, segment))?.flatten())
}

/// Loads a line; a damaged one is an error.
pub fn load_as_stored(db: &Connection, uid: &Uid, segment: SegmentId) -> Result<Option<Line>> {
    let SegmentId { recording, start_ms } = segment;
    one(db, LOAD, params![uid.as_str(), recording.bytes(), start_ms], |row| read(row, &segment))
}

/// Whether the line's text was removed while the line could not be read.
pub fn is_emptied(db: &Connection, line: &Line) -> Result<bool> {
    let params = params![line.uid.as_str(), line.recording.bytes(), line.start_ms];
    Ok(one(db, EMPTIED, params, |row| Ok(row.get(0)?))?.unwrap_or(false))
}

pub fn read(row: &Row, segment: &SegmentId) -> Result<Line> {
    let line: Line = from_document(TABLE, row, 0, segment)?;
    if line.segment() == *segment {
        Ok(line)
    } else {
        Err(Fault::damaged(TABLE, segment, "its document is of another line"))
    }
}

/// The stored lines of the segments with these start times, in order of time.
pub fn of_recording(db: &Connection, uid: &Uid, recording: RecordingId, starts: &[u32]) -> Result<Vec<Line>> {
    let line = |start_ms| load(db, uid, SegmentId { recording, start_ms }).transpose();
    in_order_of_time(starts).into_iter().filter_map(line).collect()
}

/// The user's lines after the cursor, ordered by segment. Damaged ones are returned as errors with
/// their segment.
pub fn in_order(
    db: &Connection,
    uid: &Uid,
    after: Option<(RecordingId, u32)>,
    limit: usize,
) -> Result<Vec<(SegmentId, Result<Line>)>> {
    let (recording, start_ms) = after.map(|(id, start_ms)| (id.bytes().to_vec(), start_ms)).unwrap_or_default();
    all(db, IN_ORDER, params![uid.as_str(), recording, start_ms, rows(limit)], |row| {
        let segment = SegmentId { recording: RecordingId::from_bytes(row.get(1)?), start_ms: row.get(2)? };
        Ok((segment, read(row, &segment)))
    })
}

/// Inserts a line. Returns whether it is new; an existing line stays as it is.
pub fn insert(db: &Connection, line: &Line) -> Result<bool> {
    let inserted = run(
        db,
        INSERT,
        params![
            line.uid.as_str(),
            line.recording.bytes(),
            line.start_ms,
            line.stream.key(),
            line.starts_at.millis(),
            place(line),
            conversation(line),
            to_document(TABLE, line)?,
        ],
    )?;
    Ok(inserted == 1)
}

pub fn update(db: &Connection, line: &Line) -> Result<()> {
    let (uid, recording) = (line.uid.as_str(), line.recording.bytes());
    let document = to_document(TABLE, line)?;
    run(db, UPDATE, params![uid, recording, line.start_ms, place(line), conversation(line), document])?;
    Ok(())
}

/// Removes the content of a line that cannot be read. The line stays damaged, because its other fields
/// are lost.
pub fn empty(db: &Connection, uid: &Uid, key: Key) -> Result<()> {
    run(db, EMPTY, params![uid.as_str(), key.recording, key.start_ms])?;
    Ok(())
}

/// Passes the lines placed by time in a stream to `take`, in order, from after `after` up to `end`,
/// while it returns `true`.
pub fn timed(
    db: &Connection,
    (uid, stream): (&Uid, &str),
    after: Key,
    end: Timestamp,
    mut take: impl FnMut(Key, ConversationId) -> Result<bool>,
) -> Result<()> {
    let mut statement = db.prepare_cached(TIMED)?;
    let Key { starts_at, recording, start_ms } = after;
    let mut rows = statement.query(params![uid.as_str(), stream, starts_at, recording, start_ms, end.millis()])?;
    while let Some(row) = rows.next()? {
        if !take(key(row)?, ConversationId(Uuid::from_bytes(row.get(3)?)))? {
            break;
        }
    }
    Ok(())
}

/// Lines attached to a conversation under exactly this id, in order.
pub fn attached(db: &Connection, uid: &Uid, id: ConversationId, after: Key, limit: usize) -> Result<Vec<Key>> {
    let Key { starts_at, recording, start_ms } = after;
    let params = params![uid.as_str(), id.0.as_bytes(), starts_at, recording, start_ms, rows(limit)];
    all(db, ATTACHED, params, key)
}

fn key(row: &Row) -> Result<Key> {
    Ok(Key { starts_at: row.get(0)?, recording: row.get(1)?, start_ms: row.get(2)? })
}

pub fn at(db: &Connection, uid: &Uid, key: Key) -> Result<Option<Line>> {
    let name = || format!("{}-{}", hex::encode(key.recording), key.start_ms);
    one(db, LOAD, params![uid.as_str(), key.recording, key.start_ms], |row| from_document(TABLE, row, 0, &name()))
}
