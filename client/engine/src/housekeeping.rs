//! Deletes files whose recordings are synced, and nothing else (R41).

use std::io;

use domain::Timestamp;

use crate::chunk::{Chunk, ChunkId};
use crate::core::Core;
use crate::events::EventKind;
use crate::index::IndexError;
use crate::settings::Retention;

/// The files that are deleted before the index is told.
const PAGE: usize = 100;

/// Deletes a page of what the app's policy allows; whether there may be more.
pub fn delete_due(core: &Core, now: Timestamp) -> Result<bool, IndexError> {
    let Some(before) = core.config.retention.synced_before(now) else { return Ok(false) };
    Ok(delete_page(core, before, u64::MAX)?.is_some())
}

/// Deletes synced files, the oldest first, until this many bytes are freed or none is left.
pub fn make_room(core: &Core, bytes: u64) -> Result<(), IndexError> {
    if core.config.retention == Retention::Keep {
        return Ok(());
    }
    let mut freed = 0;
    while freed < bytes {
        match delete_page(core, Timestamp::from_millis(i64::MAX), bytes - freed)? {
            Some(more) => freed = freed.saturating_add(more),
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Deletes up to a page of files, or until so many bytes are freed. The bytes that were freed; `None` if nothing was deleted.
fn delete_page(core: &Core, synced_before: Timestamp, bytes: u64) -> Result<Option<u64>, IndexError> {
    let page = core.index().deletable(synced_before, PAGE)?;
    let (mut freed, mut deleted): (u64, Vec<ChunkId>) = (0, Vec::new());
    for chunk in page {
        if freed >= bytes {
            break;
        }
        if is_gone(core, &chunk) {
            freed = freed.saturating_add(chunk.bytes);
            deleted.push(chunk.id);
        }
    }
    // A kill before this leaves rows whose files are gone: they are told the next time.
    core.index().files_deleted(&deleted)?;
    deleted.iter().for_each(|id| core.note(EventKind::FileDeleted { id: *id }));
    Ok((!deleted.is_empty()).then_some(freed))
}

/// Deletes the file of a synced chunk; whether it is gone. If the disk is not there for now, it is tried again later.
fn is_gone(core: &Core, chunk: &Chunk) -> bool {
    let Some(file) = core.path_of(&chunk.place) else { return false };
    match core.ports.disk.remove(&file) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}
