//! The folders of users and jobs: made when a blob needs them, durable before it counts, gone with the last one.
//!
//! A folder that is there need not be durable: another writer may have made it a moment ago. So each is known here by a
//! token, given when it was seen or made; who syncs its parent after that may call it durable, as long as the token
//! stands. Removing a folder takes its token away.

use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::disk::is_absent;
use crate::folder::durable::sync;

/// How many folders are remembered. Forgetting costs an fsync, nothing else.
const MAX_KNOWN: usize = 16_384;

pub struct Folders {
    uploads: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    folders: HashMap<PathBuf, Folder>,
    next_token: u64,
}

#[derive(Clone, Copy, PartialEq)]
struct Folder {
    token: u64,
    durable: bool,
}

/// A folder whose entry in its parent is not known to be durable.
pub struct Fresh {
    path: PathBuf,
    token: u64,
}

impl Folders {
    pub fn new(uploads: PathBuf) -> Self {
        Self { uploads, known: Mutex::default() }
    }

    /// Makes the folders around a file, outermost first, and says which are still to be made durable.
    pub fn make_around(&self, file: &Path) -> io::Result<Vec<Fresh>> {
        let mut around: Vec<&Path> = self.around(file).collect();
        around.reverse();
        let mut known = self.known();
        let mut fresh = Vec::new();
        for path in around {
            match known.folders.get(path) {
                Some(folder) if folder.durable => {}
                Some(folder) => fresh.push(Fresh { path: path.to_owned(), token: folder.token }),
                None => {
                    make_private(path)?;
                    fresh.push(known.note(path));
                }
            }
        }
        Ok(fresh)
    }

    /// Makes a new file durable under its name: its folder first, then the folders around that. By then a journalling
    /// file system has written the outer ones with the inner one, and they cost next to nothing.
    pub fn make_durable(&self, file: &Path, fresh: Vec<Fresh>) -> io::Result<()> {
        let parents = std::iter::once(file).chain(fresh.iter().rev().map(|folder| folder.path.as_path()));
        for parent in parents.filter_map(Path::parent) {
            match sync(parent) {
                // Somebody deleted the blob already, and the folder with it.
                Err(error) if is_absent(&error) => {}
                synced => synced?,
            }
        }
        let mut known = self.known();
        for Fresh { path, token } in fresh {
            if let Some(folder) = known.folders.get_mut(&path).filter(|folder| folder.token == token) {
                folder.durable = true;
            }
        }
        Ok(())
    }

    /// Believes nothing of the folders around a file any more: one of them is missing.
    pub fn forget_around(&self, file: &Path) {
        let mut known = self.known();
        for path in self.around(file) {
            known.folders.remove(path);
        }
    }

    /// Removes the folders around a file as far as they are empty. Best effort: an empty folder is no harm.
    pub fn prune_around(&self, file: &Path) {
        let mut known = self.known();
        for path in self.around(file) {
            match fs::remove_dir(path) {
                Err(error) if !is_absent(&error) => return,
                _ => drop(known.folders.remove(path)),
            }
        }
    }

    /// Removes every empty folder of jobs and users.
    pub fn prune_all(&self) -> io::Result<()> {
        for user in fs::read_dir(&self.uploads)? {
            let user = user?.path();
            match fs::read_dir(&user) {
                Ok(jobs) => jobs.flatten().for_each(|job| drop(fs::remove_dir(job.path()))),
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(error),
            }
            // Refused unless empty.
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
    fn note(&mut self, path: &Path) -> Fresh {
        if self.folders.len() >= MAX_KNOWN {
            self.folders.clear();
        }
        let token = self.next_token;
        self.next_token += 1;
        self.folders.insert(path.to_owned(), Folder { token, durable: false });
        Fresh { path: path.to_owned(), token }
    }
}

/// Makes one folder that only its owner may look into; one that is there is left as it is.
pub fn make_private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
