//! The files of a batch before they are sent: are they there, and are they still what the index says? (R10)

use std::io;
use std::path::PathBuf;

use domain::Timestamp;

use crate::chunk::{Chunk, ChunkId, LastError, Place, State, Transfer};
use crate::core::Core;
use crate::digest::{Digests, digest};
use crate::events::EventKind;
use crate::folders::can_list;
use crate::mistakes::{self, Mistake};
use crate::rules::backoff;

/// A file that cannot be read is tried again after the delay of so many failures: a minute.
pub const READ_AGAIN: u32 = 4;

/// A file that another program is writing is looked at again after the delay of so many failures: ten seconds.
pub const STILL_FOR: u32 = 2;

/// What is to be done with a chunk before it is sent.
pub enum Found {
    /// Its file is there, and as large as the index says.
    Ready(PathBuf),
    /// Its row changes, and it is not sent now.
    Changed(Transfer),
    /// Its file has other bytes than the index says, and did not change since the last look: it is uploaded as what it is.
    Differs(Digests),
    /// Its file has another size than at the last look. Somebody may still be writing it, so it is not read now.
    Grows(u64),
    /// Not even its folder can be read: a locked phone, or a stick that was pulled out. What is in it is tried again later.
    Locked(Place),
}

/// Looks for the file of a chunk.
pub fn find(core: &Core, chunk: &Chunk) -> Found {
    let Some(path) = core.path_of(&chunk.place) else {
        return Found::Changed(missing(chunk, core.now()));
    };
    let size = core.ports.disk.open(&path).and_then(|reader| reader.size());
    match size {
        Ok(0) => Found::Changed(Transfer {
            state: State::Rejected,
            last_error: Some(LastError::new("empty_file", None, "")),
            confirmed_at: Some(core.now()),
            ..chunk.transfer.clone()
        }),
        Ok(size) if size == chunk.bytes && chunk.sha256.is_some() => Found::Ready(path),
        Ok(size) if size != chunk.bytes => Found::Grows(size),
        Ok(size) => match digest(&*core.ports.disk, &path) {
            Ok(digests) if digests.bytes == size => Found::Differs(digests),
            Ok(digests) => Found::Grows(digests.bytes),
            Err(error) => Found::Changed(unreadable(core, chunk, &error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound && can_list(&*core.ports.disk, &path) => {
            Found::Changed(missing(chunk, core.now()))
        }
        Err(_) if !can_list(&*core.ports.disk, &path) => Found::Locked(chunk.place.folder()),
        Err(error) => Found::Changed(unreadable(core, chunk, &error)),
    }
}

/// There is no such file, though its folder can be read. Only the second pass that sees that gives it up.
fn missing(chunk: &Chunk, now: Timestamp) -> Transfer {
    let before = chunk.transfer.clone();
    let last_error = Some(LastError::new("local_missing", None, ""));
    if before.was_missing || mistakes::is_planted(Mistake::MissingAfterOnePass) {
        return Transfer {
            state: State::Missing,
            last_error,
            confirmed_at: Some(now),
            next_attempt_at: None,
            ..before
        };
    }
    // Not in this pass again: a pass takes only what was due when it began.
    let next_attempt_at = Some(now + backoff::delay(1, 0.5));
    Transfer { was_missing: true, last_error, next_attempt_at, ..before }
}

/// The file cannot be read for now. Nothing is counted, and its way to the server stays the same.
fn unreadable(core: &Core, chunk: &Chunk, error: &io::Error) -> Transfer {
    core.note(EventKind::Unreadable { id: chunk.id, why: error.kind().to_string() });
    Transfer {
        next_attempt_at: Some(core.now() + backoff::delay(READ_AGAIN, core.unit())),
        last_error: Some(LastError::new("local_read_failed", None, &error.kind().to_string())),
        ..chunk.transfer.clone()
    }
}

/// The chunks whose files are there; the others are changed in the index, and returned by their number.
pub struct Checked {
    pub ready: Vec<(Chunk, PathBuf)>,
    pub changed: Vec<(ChunkId, Transfer)>,
    pub differs: Vec<(ChunkId, Digests)>,
    pub grows: Vec<(ChunkId, u64)>,
    /// Folders that could not be read.
    pub locked: Vec<Place>,
}

/// Looks for the files of a batch.
pub fn check(core: &Core, batch: Vec<Chunk>) -> Checked {
    let mut checked =
        Checked { ready: Vec::new(), changed: Vec::new(), differs: Vec::new(), grows: Vec::new(), locked: Vec::new() };
    for mut chunk in batch {
        match find(core, &chunk) {
            Found::Ready(path) => {
                chunk.transfer.was_missing = false;
                checked.ready.push((chunk, path));
            }
            Found::Changed(transfer) => checked.changed.push((chunk.id, transfer)),
            Found::Differs(digests) => checked.differs.push((chunk.id, digests)),
            Found::Grows(bytes) => checked.grows.push((chunk.id, bytes)),
            Found::Locked(folder) if checked.locked.contains(&folder) => {}
            Found::Locked(folder) => checked.locked.push(folder),
        }
    }
    checked
}
