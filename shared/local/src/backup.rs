//! Writes a consistent copy of a data folder, also while the server runs: as one tar file, or into a folder that the next
//! run brings up to date.
//!
//! The copy holds the store as of one moment, all staged audio that the store refers to at that moment, and the secrets.
//! The queue is not copied: the sweep creates the tasks again from the store.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::folder::{DataFolder, durable};

mod archive;
mod error;
mod partial;
mod source;
mod stream;
mod target;

pub use error::BackupError;
use partial::Partial;
use source::Source;
use target::Target;

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
            writeln!(f, "{}: an interrupted backup left this; it {fate}", path.display())?;
        }
        let name = file.as_ref().map_or_else(|| "the stream".to_owned(), |file| file.display().to_string());
        writeln!(f, "{name}: {bytes} bytes, with {recordings} staged audio files and the secrets")?;
        let from = file.as_ref().map_or_else(|| "-".to_owned(), |file| file.display().to_string());
        write!(f, "restore it into an empty folder: tar -xf {from} -C FOLDER")
    }
}

/// Writes the backup; blocks until everything is copied. `file` is a new file, `-` for standard output, or a named pipe.
/// When `stop` becomes true the backup ends with [`BackupError::Stopped`], and nothing of it is left.
pub fn backup(folder: &DataFolder, file: &Path, stop: &Arc<AtomicBool>) -> Result<Summary, BackupError> {
    match target::choose(folder, file, stop)? {
        Target::File(file) => to_file(folder, file, stop),
        Target::Stream(stream) => to_stream(folder, stream, stop),
    }
}

fn to_file(folder: &DataFolder, file: PathBuf, stop: &Arc<AtomicBool>) -> Result<Summary, BackupError> {
    let stale = partial::remove_stale(file.parent().unwrap_or(&file));
    let mut source = Source::open(&folder.store_file(), stop)?;
    let partial = Partial::beside(&file)?;
    source.check_structure()?;
    // No blob is deleted while this lock is held, so every file that the snapshot refers to still exists when it is copied.
    let held = hold(&folder.blobs_dir())?;
    let recordings = archive::pack_into_file(folder, &source, &partial, &file)?;
    drop(held);
    let bytes = partial.publish(&file)?;
    Ok(Summary { file: Some(file), bytes, recordings, stale })
}

fn to_stream(folder: &DataFolder, to: target::Stream, stop: &Arc<AtomicBool>) -> Result<Summary, BackupError> {
    let mut source = Source::open(&folder.store_file(), stop)?;
    source.check_structure()?;
    let _held = hold(&folder.blobs_dir())?;
    let (recordings, bytes) = archive::pack_into_stream(folder, &source, to)?;
    Ok(Summary { file: None, bytes, recordings, stale: Vec::new() })
}

/// Takes the shared side of the lock that each deletion of a blob takes. Waits for a deletion that is
/// under way.
fn hold(blobs: &Path) -> Result<File, BackupError> {
    let path = blobs.join("hold");
    let taken = durable::make_folder(blobs).and_then(|()| {
        let mut options = OpenOptions::new();
        let hold = options.read(true).append(true).create(true).mode(0o600).open(&path)?;
        hold.lock_shared()?;
        Ok::<_, io::Error>(hold)
    });
    taken.map_err(|why| BackupError::unread(&path, why))
}

#[cfg(test)]
mod tests;
