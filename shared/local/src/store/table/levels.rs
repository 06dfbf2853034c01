//! `recording_levels`: the loudness that the first pass measured, by which the plan is cut.

use domain::{Levels, RecordingId, Uid};
use rusqlite::{Connection, Row, params};

use crate::store::fault::{Fault, Result, sound};
use crate::store::query::{one, queries, run};

const TABLE: &str = "recording_levels";

queries! {
    LOAD = "SELECT levels FROM recording_levels WHERE uid = ?1 AND recording = ?2";
    SAVE = "INSERT INTO recording_levels (uid, recording, levels) VALUES (?1, ?2, ?3)
        ON CONFLICT (uid, recording) DO UPDATE SET levels = excluded.levels";
}

/// Returns `None` also if the levels are damaged: the plan is then cut as it was recorded, which is
/// better than not at all.
pub fn load(db: &Connection, uid: &Uid, recording: RecordingId) -> Result<Option<Levels>> {
    Ok(sound(one(db, LOAD, params![uid.as_str(), recording.bytes()], |row| read(row, recording)))?.flatten())
}

/// Reads a row of `levels`.
pub fn read(row: &Row, recording: RecordingId) -> Result<Levels> {
    Levels::unpack(row.get_ref(0)?.as_blob()?).map_err(|damage| Fault::damaged(TABLE, recording, damage))
}

pub fn save(db: &Connection, uid: &Uid, recording: RecordingId, levels: &Levels) -> Result<()> {
    run(db, SAVE, params![uid.as_str(), recording.bytes(), levels.pack()]).map(drop)
}
