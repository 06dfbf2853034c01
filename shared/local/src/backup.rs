//! Writes a consistent copy of a data folder as one tar file, also while the server runs.
//!
//! The copy holds the store as of one moment, all staged audio that the store refers to at that moment,
//! and the secrets. The queue is not copied: the sweep creates the tasks again from the store. To
//! restore: `tar -xf FILE -C EMPTY_FOLDER`.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf, absolute};

use flow::ports::Random;

use crate::folder::{DataFolder, durable};
use crate::sqlite::OpenError;
use system::SystemRandom;

mod archive;
mod snapshot;

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub file: PathBuf,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// How many staged audio files the backup contains.
    pub recordings: u64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, bytes, recordings } = self;
        writeln!(f, "{}: {bytes} bytes, with {recordings} staged audio files and the secrets", file.display())?;
        write!(f, "restore it into an empty folder: tar -xf {} -C FOLDER", file.display())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{}: there is a file already; a backup never replaces one", .0.display())]
    Exists(PathBuf),
    #[error("{}: this is inside the data folder; a backup belongs somewhere else", .0.display())]
    Inside(PathBuf),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{}: the store cannot be copied ({why})", path.display())]
    Store { path: PathBuf, why: rusqlite::Error },
    #[error(
        "{}: the store is damaged ({why}) and is not copied; earlier backups are as they were, and `afterword export` writes \
         what can still be read",
        path.display()
    )]
    Damaged { path: PathBuf, why: String },
    #[error("{}: the backup failed ({why})", path.display())]
    Failed { path: PathBuf, why: io::Error },
}

/// Writes the backup; blocks until everything is copied.
pub fn backup(folder: &DataFolder, file: &Path) -> Result<Summary, BackupError> {
    let file = absolute(file).unwrap_or_else(|_| file.to_owned());
    if file.starts_with(folder.path()) {
        return Err(BackupError::Inside(file));
    }
    if file.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(file));
    }
    let work_folder = WorkFolder::beside(&file)?;
    // No blob is deleted while this lock is held, so every file that the snapshot refers to still exists
    // when it is copied.
    let _held = hold(&folder.blobs_dir())?;
    snapshot::take(&folder.store_file(), &work_folder.store())?;
    let recordings = archive::pack(folder, &work_folder.store(), &work_folder.archive())?;
    work_folder.publish(&file, recordings)
}

/// Takes the shared side of the lock that each deletion of a blob takes. Waits for a deletion that is
/// under way.
fn hold(blobs: &Path) -> Result<File, BackupError> {
    let path = blobs.join("hold");
    let taken = durable::make_folder(blobs).and_then(|()| {
        let mut options = OpenOptions::new();
        let hold = options.read(true).append(true).create(true).mode(0o600).open(&path)?;
        hold.lock_shared()?;
        Ok(hold)
    });
    taken.map_err(|why| BackupError::Failed { path, why })
}

/// A temporary folder beside the future backup file, on the same disk. It is removed with its content
/// on drop.
struct WorkFolder(PathBuf);

impl WorkFolder {
    fn beside(file: &Path) -> Result<Self, BackupError> {
        let mut name = OsString::from(".");
        name.push(file.file_name().unwrap_or_default());
        name.push(format!(".{}.part", SystemRandom.uuid()));
        let path = file.with_file_name(name);
        let make = || {
            // The parent folder is the user's and is not created here.
            fs::metadata(path.parent().unwrap_or(&path))?;
            durable::make_folder(&path)
        };
        make().map_err(|why| BackupError::Failed { path: file.to_owned(), why })?;
        Ok(Self(path))
    }

    fn store(&self) -> PathBuf {
        self.0.join("store.db")
    }

    fn archive(&self) -> PathBuf {
        self.0.join("archive.tar")
    }

    fn publish(&self, file: &Path, recordings: u64) -> Result<Summary, BackupError> {
        let name = || {
            let bytes = fs::metadata(self.archive())?.len();
            durable::rename_without_replacing(&self.archive(), file)?;
            file.parent().map_or(Ok(()), durable::sync)?;
            Ok(bytes)
        };
        let bytes = name().map_err(|why: io::Error| match why.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists(file.to_owned()),
            _ => BackupError::Failed { path: file.to_owned(), why },
        })?;
        Ok(Summary { file: file.to_owned(), bytes, recordings })
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        // If the removal fails, the `.part` in the folder's name still tells that it is not a whole backup.
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests;
