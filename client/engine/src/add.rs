//! Takes files of the user, which are uploaded from where they are (R43).

use std::io;
use std::path::Path;

use domain::{ConversationId, Format, NameError, Timestamp, Uid};

use crate::chunk::{Chunk, ChunkId, Place, State, Transfer};
use crate::core::Core;
use crate::digest::digest;
use crate::index::IndexError;
use crate::rules::naming::plausible;

/// What is known of a file beside its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddOptions {
    /// When it begins, if its name does not say. The time is sent beside the name, which never changes.
    pub captured_at: Option<Timestamp>,
    /// The conversation that it belongs to.
    pub conversation_id: Option<ConversationId>,
    /// Files with the same session may travel in one batch.
    pub session: String,
}

/// A file that the engine has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// Its number.
    pub id: ChunkId,
    /// Whether the same file, by name and content, was known.
    pub was_known: bool,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// Nobody is signed in.
    #[error("nobody is signed in")]
    SignedOut,
    /// The server would refuse its name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Its name is no text.
    #[error("the name of the file is not UTF-8")]
    NameEncoding,
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(io::Error),
    /// The index refuses.
    #[error(transparent)]
    Index(#[from] IndexError),
}

pub fn add_file(core: &Core, owner: Uid, file: &Path, options: AddOptions) -> Result<Added, AddError> {
    let name = file.file_name().and_then(|name| name.to_str()).ok_or(AddError::NameEncoding)?;
    let parsed = domain::name::parse(name)?;
    let path = file.to_str().ok_or(AddError::NameEncoding)?;
    let digests = digest(&*core.ports.disk, file).map_err(AddError::Read)?;
    if digests.bytes == 0 {
        return Err(AddError::Empty);
    }
    let mut index = core.index();
    if let Some(known) = index.known_file(&owner, name, digests.sha256)? {
        if matches!(&known.place, Place::Foreign(before) if before != path) {
            // It was moved or copied: it is sent from where the user names it now.
            index.moved(known.id, path)?;
            if known.transfer.state == State::Missing {
                index.reset(&owner, Some(known.id))?;
            }
        }
        return Ok(Added { id: known.id, was_known: true });
    }
    let chunk = Chunk {
        id: ChunkId(0),
        owner,
        name: name.to_owned(),
        place: Place::Foreign(path.to_owned()),
        captured_at: parsed.captured_at.or(options.captured_at).unwrap_or_else(|| plausible(core.now())),
        sends_captured_at: parsed.captured_at.is_none() && options.captured_at.is_some(),
        format: match parsed.format {
            Format::Frames(format) => Some(format),
            Format::Sound(_) => None,
        },
        duration_ms: 0,
        frames: 0,
        synced_prefix: 0,
        device: parsed.stream.device,
        session: options.session,
        conversation_id: options.conversation_id,
        bytes: digests.bytes,
        sha256: Some(digests.sha256),
        crc32c: digests.crc32c,
        transfer: Transfer::pending(),
    };
    Ok(Added { id: index.insert(&chunk)?, was_known: false })
}
