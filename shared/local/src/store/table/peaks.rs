//! `recording_peaks`: the waveform of a recording.

use domain::{Peaks, RecordingId, Uid};
use rusqlite::{Connection, Row, params};

use crate::store::fault::{Fault, Result, sound};
use crate::store::query::{one, queries, run};

const TABLE: &str = "recording_peaks";

queries! {
    LOAD = "SELECT peaks FROM recording_peaks WHERE uid = ?1 AND recording = ?2";
    SAVE = "INSERT INTO recording_peaks (uid, recording, peaks) VALUES (?1, ?2, ?3)
        ON CONFLICT (uid, recording) DO UPDATE SET peaks = excluded.peaks";
}

pub fn load(db: &Connection, uid: &Uid, recording: RecordingId) -> Result<Option<Peaks>> {
    Ok(sound(one(db, LOAD, params![uid.as_str(), recording.bytes()], |row| read(row, recording)))?.flatten())
}

/// Reads a row of `peaks`.
pub fn read(row: &Row, recording: RecordingId) -> Result<Peaks> {
    Peaks::unpack(row.get_ref(0)?.as_blob()?).map_err(|damage| Fault::damaged(TABLE, recording, damage))
}

pub fn save(db: &Connection, uid: &Uid, recording: RecordingId, peaks: &Peaks) -> Result<()> {
    run(db, SAVE, params![uid.as_str(), recording.bytes(), peaks.pack()]).map(drop)
}
