//! Data that is kept beside a recording, in tables of its own.

use domain::{RecordingExtras, RecordingId, Uid};
use rusqlite::Connection;

use super::{levels, peaks};
use crate::store::fault::Result;

pub fn load(db: &Connection, uid: &Uid, recording: RecordingId) -> Result<RecordingExtras> {
    Ok(RecordingExtras { peaks: peaks::load(db, uid, recording)?, levels: levels::load(db, uid, recording)? })
}

/// Saves what is present; stored data that is missing in `extras` stays as it is.
pub fn save(db: &Connection, uid: &Uid, recording: RecordingId, extras: &RecordingExtras) -> Result<()> {
    if let Some(peaks) = &extras.peaks {
        peaks::save(db, uid, recording, peaks)?;
    }
    if let Some(levels) = &extras.levels {
        levels::save(db, uid, recording, levels)?;
    }
    Ok(())
}
