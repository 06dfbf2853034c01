//! Writes a consistent copy of a data folder, also while the server runs: as one tar file, or into a folder that the
//! next run brings up to date.
//!
//! The copy holds the store as of one moment, all staged audio that the store refers to at that moment, and the
//! secrets. The queue is not copied: the sweep creates the tasks again from the store.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use system::{NewFile, Stop, remove_stale};

use crate::folder::{DataFolder, durable};

mod archive;
mod contents;
mod error;
mod layers;
mod manifest;
mod restore;
mod restore_place;
mod source;
mod stream;
mod target;
mod update;

pub use error::BackupError;
pub use restore::{RestoreError, Restored, restore};
use source::Source;
use target::Target;
pub use update::{Updated, update};

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// `None` if the backup was written to a stream.
    pub file: Option<PathBuf>,
    /// The size of the archive in bytes.
    pub bytes: u64,
    /// How many staged audio files the backup contains.
    pub recordings: u64,
    /// What interrupted backups left beside this one, and whether it was removed.
    pub stale: Vec<(PathBuf, bool)>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, bytes, recordings, stale } = self;
        for (path, removed) in stale {
            let fate = if *removed { "is removed" } else { "holds a copy of everything: remove it" };
            writeln!(f, "{}: an interrupted backup or export left this; it {fate}", path.display())?;
        }
        let name = file.as_ref().map_or_else(|| "the stream".to_owned(), |file| file.display().to_string());
        writeln!(f, "{name}: {bytes} bytes, with {recordings} staged audio files and the secrets")?;
        let from = file.as_ref().map_or_else(|| "-".to_owned(), |file| file.display().to_string());
        write!(f, "restore it into an empty folder: tar -xf {from} -C FOLDER")
    }
}

/// Writes the backup; blocks until everything is copied. `file` is a new file, `-` for standard output, or a named
/// pipe. When `stop` is set the backup ends with [`BackupError::Stopped`], and nothing of it is left. `waits` is told of a
/// pipe that nobody reads yet.
pub fn backup(folder: &DataFolder, file: &Path, stop: &Stop, waits: &dyn Fn(&Path)) -> Result<Summary, BackupError> {
    match target::choose(folder, file, stop, waits)? {
        Target::File(file) => to_file(folder, file, stop),
        Target::Stream(stream) => to_stream(folder, stream, stop),
    }
}

fn to_file(folder: &DataFolder, file: PathBuf, stop: &Stop) -> Result<Summary, BackupError> {
    let stale = remove_stale(file.parent().unwrap_or(&file));
    let mut source = Source::open(&folder.store_file(), stop)?;
    let failed = |why| BackupError::of_target(&file, why);
    let new = NewFile::create(&file, stop).map_err(failed)?;
    source.check_structure()?;
    // No blob is deleted while this lock is held, so every file that the snapshot refers to still exists when it is
    // copied.
    let held = hold(&folder.blobs_dir(), &source)?;
    let recordings = archive::pack_into_file(folder, &source, &new)?;
    drop(held);
    let bytes = new.publish().map_err(failed)?;
    Ok(Summary { file: Some(file), bytes, recordings, stale })
}

fn to_stream(folder: &DataFolder, to: target::Stream, stop: &Stop) -> Result<Summary, BackupError> {
    let mut source = Source::open(&folder.store_file(), stop)?;
    source.check_structure()?;
    let _held = hold(&folder.blobs_dir(), &source)?;
    let (recordings, bytes) = archive::pack_into_stream(folder, &source, to)?;
    Ok(Summary { file: None, bytes, recordings, stale: Vec::new() })
}

/// Takes the shared side of the lock that each deletion of a blob takes. Waits for a deletion that is
/// under way.
fn hold(blobs: &Path, source: &Source) -> Result<File, BackupError> {
    let path = blobs.join("hold");
    let unread = |why| BackupError::unread(&path, why);
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let hold = durable::make_folder(blobs).and_then(|()| options.open(&path)).map_err(unread)?;
    loop {
        match hold.try_lock_shared() {
            Ok(()) => return Ok(hold),
            Err(TryLockError::WouldBlock) => source.pause()?,
            Err(TryLockError::Error(why)) => return Err(unread(why)),
        }
    }
}

#[cfg(test)]
mod tests;
