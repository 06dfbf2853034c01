//! The file of a backup while it is written. It has a name of its own and is locked, so that what a killed backup left
//! is recognised and a running backup is never touched.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flow::ports::Random;
use system::SystemRandom;

use super::BackupError;
use crate::folder::durable;

const SUFFIX: &str = ".afterword-part";
/// The suffix of the folder that earlier versions used. It was not locked, so nobody can tell whether it is in use.
const EARLIER_SUFFIX: &str = ".part";
/// The files in such a folder.
const EARLIER_FILES: [&str; 2] = ["store.db", "archive.tar"];

pub struct Partial {
    pub file: File,
    /// `None` once the file has its final name.
    path: Option<PathBuf>,
}

impl Partial {
    /// Creates the file beside the future backup, on the same disk.
    pub fn beside(target: &Path) -> Result<Self, BackupError> {
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}{SUFFIX}", SystemRandom.uuid()));
        let path = target.with_file_name(name);
        let make = || {
            loop {
                // The archive contains the secrets, so only its owner may read it.
                let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
                // On a disk that knows no locks, what a killed backup leaves is told and not removed.
                let _ = file.try_lock();
                // Another backup that looks for stale files may have seen this one before it was locked.
                if file.metadata()?.nlink() > 0 {
                    return Ok(file);
                }
            }
        };
        let file = make().map_err(|why| BackupError::of_target(target, why))?;
        Ok(Self { file, path: Some(path) })
    }

    /// Makes the file durable and gives it its name. Returns its size.
    pub fn publish(mut self, target: &Path) -> Result<u64, BackupError> {
        let mut name = || {
            self.file.sync_all()?;
            let bytes = self.file.metadata()?.len();
            if let Some(path) = &self.path {
                durable::rename_without_replacing(path, target)?;
                self.path = None;
            }
            target.parent().map_or(Ok(()), durable::sync)?;
            Ok(bytes)
        };
        name().map_err(|why| BackupError::of_target(target, why))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // If the removal fails, the next backup beside it finds the file.
        let _ = self.path.take().map(fs::remove_file);
    }
}

/// Removes what killed backups left in the folder. Returns it, and whether it could be removed.
pub fn remove_stale(folder: &Path) -> Vec<(PathBuf, bool)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut stale = Vec::new();
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_file() && is_hidden(&name, SUFFIX) {
            match remove_unlocked(&path) {
                Ok(true) => stale.push((path, true)),
                Ok(false) => {}
                Err(_) => stale.push((path, false)),
            }
        } else if kind.is_dir() && is_hidden(&name, EARLIER_SUFFIX) && is_of_earlier_version(&path) {
            stale.push((path, false));
        }
    }
    stale
}

pub fn is_hidden(name: &OsStr, suffix: &str) -> bool {
    name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(suffix))
}

fn is_of_earlier_version(folder: &Path) -> bool {
    EARLIER_FILES.iter().any(|name| folder.join(name).is_file())
}

/// Removes the file unless a running backup has locked it. Returns whether it was stale.
fn remove_unlocked(path: &Path) -> io::Result<bool> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(false),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    fs::remove_file(path)?;
    Ok(true)
}
