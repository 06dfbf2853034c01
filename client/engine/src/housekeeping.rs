//! Deletes files whose recordings are synced, and nothing else (R41).

use std::io;

use domain::Timestamp;

use crate::chunk::{Chunk, Place};
use crate::core::Core;
use crate::events::EventKind;
use crate::index::IndexError;
use crate::settings::Retention;

/// The files that are looked at together.
const PAGE: usize = 100;

/// Deletes what the app's policy allows.
pub fn delete_due(core: &Core) -> Result<(), IndexError> {
    let Some(before) = core.config.retention.synced_before(core.now()) else { return Ok(()) };
    delete(core, before, u64::MAX)
}

/// Deletes synced files, the oldest first, until this many bytes are freed or none is left.
pub fn make_room(core: &Core, bytes: u64) -> Result<(), IndexError> {
    if core.config.retention == Retention::Keep {
        return Ok(());
    }
    delete(core, Timestamp::from_millis(i64::MAX), bytes)
}

fn delete(core: &Core, synced_before: Timestamp, bytes: u64) -> Result<(), IndexError> {
    let mut freed = 0;
    while freed < bytes {
        let page = core.index().deletable(synced_before, PAGE)?;
        let mut progress = false;
        for chunk in page {
            if freed >= bytes {
                return Ok(());
            }
            if delete_file(core, &chunk)? {
                (freed, progress) = (freed.saturating_add(chunk.bytes), true);
            }
        }
        if !progress {
            return Ok(());
        }
    }
    Ok(())
}

/// Deletes the file of a synced chunk; whether it is gone.
fn delete_file(core: &Core, chunk: &Chunk) -> Result<bool, IndexError> {
    let Place::Own(_) = &chunk.place else { return Ok(false) };
    let Some(file) = core.path_of(&chunk.place) else { return Ok(false) };
    match core.ports.disk.remove(&file) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // The disk is not there for now, or refuses: it is tried again with the next pass.
        Err(_) => return Ok(false),
    }
    core.index().file_deleted(chunk.id)?;
    core.note(EventKind::FileDeleted { id: chunk.id });
    Ok(true)
}
