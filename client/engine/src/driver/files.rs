//! The files of a batch before they are sent: are they there, and are they still what the index says? (R10)

use std::io;
use std::path::{Path, PathBuf};

use domain::{Sha256Hex, Timestamp};
use sha2::{Digest, Sha256};

use crate::chunk::{Chunk, ChunkId, LastError, State, Transfer};
use crate::core::Core;
use crate::events::EventKind;
use crate::mistakes::{self, Mistake};
use crate::ports::{Disk, FileReader};
use crate::recorder::can_list;
use crate::rules::backoff;

const BLOCK: usize = 64 << 10;
/// A file that cannot be read is tried again after the delay of so many failures: a minute.
const READ_AGAIN: u32 = 4;

/// Size and digests of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    pub bytes: u64,
    pub sha256: Sha256Hex,
    pub crc32c: u32,
}

/// Reads a file to its end.
pub fn digest(disk: &dyn Disk, file: &Path) -> io::Result<Digests> {
    let mut reader: Box<dyn FileReader> = disk.open(file)?;
    let (mut sha, mut crc32c, mut bytes) = (Sha256::new(), 0, 0);
    let mut block = vec![0; BLOCK];
    loop {
        let read = reader.read_at(bytes, &mut block)?;
        if read == 0 {
            return Ok(Digests { bytes, sha256: Sha256Hex(sha.finalize().into()), crc32c });
        }
        sha.update(&block[..read]);
        crc32c = crc32c::crc32c_append(crc32c, &block[..read]);
        bytes += read as u64;
    }
}

/// What is to be done with a chunk before it is sent.
pub enum Found {
    /// Its file is there, and as large as the index says.
    Ready(PathBuf),
    /// Its row changes, and it is not sent now.
    Changed(Transfer),
    /// Its file has other bytes than the index says: it is uploaded as what it is.
    Differs(Digests),
    /// Not even its folder can be read: a locked phone, or a card that was taken out. Nothing is changed.
    Locked,
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
        Ok(_) => match digest(&*core.ports.disk, &path) {
            Ok(digests) => Found::Differs(digests),
            Err(error) => Found::Changed(unreadable(core, chunk, &error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound && can_list(core, &path) => {
            Found::Changed(missing(chunk, core.now()))
        }
        Err(_) if !can_list(core, &path) => Found::Locked,
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
    /// A folder could not be read.
    pub is_locked: bool,
}

/// Looks for the files of a batch.
pub fn check(core: &Core, batch: Vec<Chunk>) -> Checked {
    let mut checked = Checked { ready: Vec::new(), changed: Vec::new(), differs: Vec::new(), is_locked: false };
    for mut chunk in batch {
        match find(core, &chunk) {
            Found::Ready(path) => {
                chunk.transfer.was_missing = false;
                checked.ready.push((chunk, path));
            }
            Found::Changed(transfer) => checked.changed.push((chunk.id, transfer)),
            Found::Differs(digests) => checked.differs.push((chunk.id, digests)),
            Found::Locked => checked.is_locked = true,
        }
    }
    checked
}
