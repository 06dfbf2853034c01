//! The folders of users and jobs. They are created when a blob needs them, durable before the blob
//! counts as stored, and removed together with the last blob in them.
//!
//! A folder that exists is not necessarily durable: another writer may have created it a moment ago. So
//! each known folder has a token, which is given when the folder is first seen or created and is larger
//! than every token before. A sync of a folder makes everything in it durable that had its token by
//! then. If one user starts many jobs at once, only a few of them have to sync the user's folder.

use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::disk::is_absent;
use crate::folder::durable::sync;

/// How many folders are remembered. A forgotten folder costs one more fsync, nothing else.
const MAX_KNOWN: usize = 16_384;

/// The number of locks for syncing parent folders. Writers that wait for the same lock mostly find the
/// sync already done.
const SYNC_LOCKS: usize = 64;

pub struct Folders {
    uploads: PathBuf,
    known: Mutex<Known>,
    syncing: [Mutex<()>; SYNC_LOCKS],
}

#[derive(Default)]
struct Known {
    tokens: HashMap<PathBuf, u64>,
    /// Entries of a folder with a smaller token than this are durable.
    synced: HashMap<PathBuf, u64>,
    next_token: u64,
}

/// A folder whose entry in its parent is not known to be durable.
pub struct Fresh {
    path: PathBuf,
    token: u64,
}

impl Folders {
    pub fn new(uploads: PathBuf) -> Self {
        Self { uploads, known: Mutex::default(), syncing: [const { Mutex::new(()) }; SYNC_LOCKS] }
    }

    /// Creates the folders around a file, outermost first. Returns those that are not known to be durable
    /// yet.
    pub fn make_around(&self, file: &Path) -> io::Result<Vec<Fresh>> {
        let mut around: Vec<&Path> = self.around(file).collect();
        around.reverse();
        let mut known = self.known();
        let mut fresh = Vec::new();
        for path in around {
            let token = match known.tokens.get(path) {
                Some(token) => *token,
                None => {
                    make_private(path)?;
                    known.note(path)
                }
            };
            if !known.is_durable(path, token) {
                fresh.push(Fresh { path: path.to_owned(), token });
            }
        }
        Ok(fresh)
    }

    /// Makes a new file durable under its name: first its folder, then the folders around that. A
    /// journalling file system has then already written the outer folders with the inner one, so they cost
    /// next to nothing.
    pub fn make_durable(&self, file: &Path, fresh: Vec<Fresh>) -> io::Result<()> {
        file.parent().map_or(Ok(()), sync_if_there)?;
        fresh.iter().rev().try_for_each(|folder| self.sync_entry(folder))
    }

    /// Makes the entry of a folder durable, unless another writer has done so in the meantime.
    fn sync_entry(&self, folder: &Fresh) -> io::Result<()> {
        let Some(parent) = folder.path.parent() else { return Ok(()) };
        let _alone = self.sync_lock(parent).lock().unwrap_or_else(PoisonError::into_inner);
        let before = {
            let known = self.known();
            if known.is_durable(&folder.path, folder.token) {
                return Ok(());
            }
            known.next_token
        };
        sync_if_there(parent)?;
        self.known().note_synced(parent, before);
        Ok(())
    }

    fn sync_lock(&self, folder: &Path) -> &Mutex<()> {
        let number = BuildHasherDefault::<DefaultHasher>::default().hash_one(folder);
        &self.syncing[number as usize % SYNC_LOCKS]
    }

    /// Forgets what is known about the folders around a file, because one of them is missing.
    pub fn forget_around(&self, file: &Path) {
        let mut known = self.known();
        for path in self.around(file) {
            known.tokens.remove(path);
        }
    }

    /// Removes the folders around a file as far as they are empty. This is best effort: an empty folder
    /// does no harm.
    pub fn prune_around(&self, file: &Path) {
        let mut known = self.known();
        for path in self.around(file) {
            match fs::remove_dir(path) {
                Err(error) if !is_absent(&error) => return,
                _ => drop(known.tokens.remove(path)),
            }
        }
    }

    /// Removes all empty folders of jobs and users.
    pub fn prune_all(&self) -> io::Result<()> {
        for user in fs::read_dir(&self.uploads)? {
            let user = user?.path();
            match fs::read_dir(&user) {
                Ok(jobs) => jobs.flatten().for_each(|job| drop(fs::remove_dir(job.path()))),
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(error),
            }
            // The system refuses this unless the folder is empty.
            let _ = fs::remove_dir(user);
        }
        Ok(())
    }

    /// The folders around a file, innermost first, without `uploads` itself.
    fn around<'a>(&'a self, file: &'a Path) -> impl Iterator<Item = &'a Path> {
        file.ancestors().skip(1).take_while(|path| *path != self.uploads)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn note(&mut self, path: &Path) -> u64 {
        if self.tokens.len() >= MAX_KNOWN {
            self.tokens.clear();
        }
        let token = self.next_token;
        self.next_token += 1;
        self.tokens.insert(path.to_owned(), token);
        token
    }

    /// A folder that was removed and created again has a new token.
    fn is_durable(&self, path: &Path, token: u64) -> bool {
        let synced = path.parent().and_then(|parent| self.synced.get(parent));
        synced.is_some_and(|before| token < *before)
    }

    fn note_synced(&mut self, parent: &Path, before: u64) {
        if self.synced.len() >= MAX_KNOWN {
            self.synced.clear();
        }
        let synced = self.synced.entry(parent.to_owned()).or_default();
        *synced = before.max(*synced);
    }
}

/// Makes the entries of a folder durable. The blob may already be deleted, and the folder with it.
fn sync_if_there(folder: &Path) -> io::Result<()> {
    match sync(folder) {
        Err(error) if is_absent(&error) => Ok(()),
        synced => synced,
    }
}

/// Creates a folder that only its owner may read. An existing folder stays as it is.
pub fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folders around a job's file that are still to be made durable, innermost last.
    fn fresh(folders: &Folders, file: &Path) -> Vec<String> {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        folders.make_around(file).unwrap().iter().map(|folder| name(&folder.path)).collect()
    }

    #[test]
    fn one_sync_of_user_folder_covers_all_jobs_in_it() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::new(root.path().to_owned());
        let file = |job: &str| root.path().join("ann").join(job).join("0-a.bin");
        let first = folders.make_around(&file("one")).unwrap();
        assert_eq!(fresh(&folders, &file("two")), ["ann", "two"]);
        folders.make_durable(&file("one"), first).unwrap();
        assert!(fresh(&folders, &file("one")).is_empty());
        assert!(fresh(&folders, &file("two")).is_empty());
        assert_eq!(fresh(&folders, &file("three")), ["three"], "made after the sync");
    }

    #[test]
    fn removed_folder_must_be_made_durable_again() {
        let root = tempfile::tempdir().unwrap();
        let folders = Folders::new(root.path().to_owned());
        let file = root.path().join("ann/one/0-a.bin");
        let made = folders.make_around(&file).unwrap();
        folders.make_durable(&file, made).unwrap();
        folders.prune_around(&file);
        assert_eq!(fresh(&folders, &file), ["ann", "one"]);
        folders.forget_around(&file);
        assert_eq!(fresh(&folders, &file), ["ann", "one"]);
    }
}
