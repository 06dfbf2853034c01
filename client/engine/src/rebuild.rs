//! Makes a new index from the recordings that are on the disk. Only an explicit call does this: it forgets what was uploaded,
//! so that everything is uploaded again, and the server recognises it.

use std::io;
use std::path::{Path, PathBuf};

use domain::{Format, Uid};

use crate::chunk::{Chunk, ChunkId, Place, State, Transfer};
use crate::digest::digest;
use crate::folders::owner_of;
use crate::index::{Index, IndexError};
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

/// Puts the old index aside, and makes a new one.
pub fn rebuild(config: &Config, ports: &Ports) -> Result<Rebuilt, OpenError> {
    let _lock = lock_folder(config, ports)?;
    let disk = &*ports.disk;
    let folder = |why| OpenError::Folder { folder: config.folder.clone(), why };
    let mut rebuilt =
        Rebuilt { old_index: put_aside(disk, &config.index, ports).map_err(folder)?, ..Rebuilt::default() };
    let before_commit = std::sync::Arc::clone(&ports.disk);
    let mut index = Index::open(&config.index, Box::new(move || before_commit.before_commit()))?;
    for name in disk.list(&config.folder).map_err(folder)? {
        let folder = config.folder.join(&name);
        // What cannot be listed is a file.
        let Ok(files) = disk.list(&folder) else { continue };
        match owner_of(disk, &folder) {
            Ok(Some(owner)) => take_folder(disk, &mut index, &owner, &name, &folder, &files, &mut rebuilt)?,
            Ok(None) => rebuilt.unreadable.push(format!("{name}: nothing says whose recordings these are")),
            Err(why) => rebuilt.unreadable.push(format!("{name}: {why}")),
        }
    }
    Ok(rebuilt)
}

/// Gives the old index and its companions other names.
fn put_aside(disk: &dyn Disk, index: &Path, ports: &Ports) -> io::Result<Option<PathBuf>> {
    let name = |suffix: &str| PathBuf::from(format!("{}{suffix}", index.display()));
    let aside = format!(".damaged-{}", ports.clock.now().millis());
    let mut moved = None;
    for part in ["-wal", "-shm", ""] {
        match disk.rename(&name(part), &name(&format!("{aside}{part}"))) {
            Ok(()) => moved = Some(name(&aside)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(moved)
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
