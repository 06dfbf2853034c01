//! Makes a new index from the recordings that are on the disk. Only an explicit call does this: it forgets what was uploaded,
//! so that everything is uploaded again, and the server recognises it.

use std::io;
use std::path::{Path, PathBuf};

use domain::{Format, Uid};

use crate::chunk::{Chunk, ChunkId, Place, State, Transfer};
use crate::digest::digest;
use crate::folders::owner_of;
use crate::index::{Index, IndexError};
use crate::index_files::{BUILT, COMPANIONS, NEW, complete, is_in_memory, remove_database, with_end};
use crate::journal::sidecar_of;
use crate::opening::{OpenError, lock_folder};
use crate::ports::{Disk, Ports};
use crate::settings::Config;

/// What a rebuild found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// The recordings that are in the new index.
    pub recordings: u64,
    /// Where the old index is now, if there was one.
    pub old_index: Option<PathBuf>,
    /// Folders and files that could not be read, and why. They are not touched: rebuild again when they can be read.
    pub unreadable: Vec<String>,
}

/// Makes a new index beside the old one, and then puts the old one aside. A kill leaves the old index, or the new one: what was
/// built in part counts for nothing.
pub fn rebuild(config: &Config, ports: &Ports) -> Result<Rebuilt, OpenError> {
    let _lock = lock_folder(config, ports)?;
    let disk = &*ports.disk;
    let folder = |why| OpenError::Folder { folder: config.folder.clone(), why };
    // What an earlier rebuild had finished is older than what is on the disk now.
    for end in [BUILT, NEW] {
        remove_database(disk, &with_end(&config.index, end)).map_err(folder)?;
    }
    let new = if is_in_memory(&config.index) { config.index.clone() } else { with_end(&config.index, NEW) };
    let mut rebuilt = Rebuilt::default();
    let before_commit = std::sync::Arc::clone(&ports.disk);
    // The last connection to a database writes everything into its own file.
    let mut index = Index::open(&new, Box::new(move || before_commit.before_commit()))?;
    take_folders(config, disk, &mut index, &mut rebuilt)?;
    drop(index);
    if new != config.index {
        if disk.open(&with_end(&new, COMPANIONS[0])).is_ok_and(|log| log.size().is_ok_and(|size| size > 0)) {
            return Err(folder(io::Error::other("the new index cannot be written as a whole: is the disk full?")));
        }
        disk.rename(&new, &with_end(&config.index, BUILT)).map_err(folder)?;
    }
    rebuilt.old_index = complete(config, ports).map_err(folder)?;
    Ok(rebuilt)
}

fn take_folders(config: &Config, disk: &dyn Disk, index: &mut Index, rebuilt: &mut Rebuilt) -> Result<(), OpenError> {
    let folder = |why| OpenError::Folder { folder: config.folder.clone(), why };
    for name in disk.list(&config.folder).map_err(folder)? {
        let folder = config.folder.join(&name);
        // What cannot be listed is a file.
        let Ok(files) = disk.list(&folder) else { continue };
        match owner_of(disk, &folder) {
            Ok(Some(owner)) => take_folder(disk, index, &owner, &name, &folder, &files, rebuilt)?,
            Ok(None) => rebuilt.unreadable.push(format!("{name}: nothing says whose recordings these are")),
            Err(why) => rebuilt.unreadable.push(format!("{name}: {why}")),
        }
    }
    Ok(())
}

fn take_folder(
    disk: &dyn Disk,
    index: &mut Index,
    owner: &Uid,
    name: &str,
    folder: &Path,
    files: &[String],
    rebuilt: &mut Rebuilt,
) -> Result<(), IndexError> {
    let mut chunks = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(".bin")) {
        match take_file(disk, owner, name, &folder.join(file), file) {
            Ok(chunk) => chunks.push(chunk),
            Err(why) => rebuilt.unreadable.push(format!("{name}/{file}: {why}")),
        }
    }
    rebuilt.recordings += chunks.len() as u64;
    index.insert_all(&chunks)
}

fn take_file(disk: &dyn Disk, owner: &Uid, folder: &str, path: &Path, file: &str) -> Result<Chunk, String> {
    let parsed = domain::name::parse(file).map_err(|error| error.to_string())?;
    let digests = digest(disk, path).map_err(|error| error.kind().to_string())?;
    // A sidecar says that the recording was cut off: opening the engine recovers it.
    let is_cut_off = disk.open(&sidecar_of(path)).is_ok();
    let format = match parsed.format {
        Format::Frames(format) => Some(format),
        Format::Sound(_) => None,
    };
    Ok(Chunk {
        id: ChunkId(0),
        owner: owner.clone(),
        name: file.to_owned(),
        place: Place::Own(format!("{folder}/{file}")),
        captured_at: parsed.captured_at.unwrap_or_default(),
        sends_captured_at: false,
        format,
        duration_ms: 0,
        frames: 0,
        synced_prefix: 0,
        device: parsed.stream.device,
        session: String::new(),
        conversation_id: None,
        bytes: digests.bytes,
        sha256: (!is_cut_off).then_some(digests.sha256),
        crc32c: digests.crc32c,
        transfer: Transfer { state: if is_cut_off { State::Recording } else { State::Pending }, ..Transfer::pending() },
    })
}

#[cfg(test)]
mod tests;
