//! Makes a data folder of a backup folder. Every byte is compared with its digest, and the folder has its name once it is
//! complete.

use std::ffi::OsString;
use std::fs::{self, File, FileTimes, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf, absolute};
use std::time::{Duration, SystemTime};

use flow::ports::Random;
use system::SystemRandom;

use super::contents::{self, Contents};
use super::manifest::{Content, Entry, Manifest, ManifestError};
use super::{layers, update};
use crate::folder::{durable, private};
use crate::sqlite::open_to_read;
use crate::store;

const STORE: &str = "store.db";

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("{}: there is no complete backup in this folder", .0.display())]
    NoBackup(PathBuf),
    #[error("{}: a backup is written there right now; try again", .0.display())]
    Busy(PathBuf),
    #[error("{}: {why}", path.display())]
    Manifest { path: PathBuf, why: ManifestError },
    #[error("{}: there is something already; a restore makes a new data folder", .0.display())]
    Exists(PathBuf),
    #[error("{}: this file of the backup cannot be used ({why}); nothing was restored", path.display())]
    Damaged { path: PathBuf, why: io::Error },
    #[error("{}: the restored store is not whole ({why}); nothing was restored", path.display())]
    Store { path: PathBuf, why: String },
    #[error("{}: the data folder cannot be written ({why})", path.display())]
    Failed { path: PathBuf, why: io::Error },
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub folder: PathBuf,
    pub bytes: u64,
    pub files: u64,
}

pub fn restore(root: &Path, folder: &Path) -> Result<Restored, RestoreError> {
    let folder = absolute(folder).unwrap_or_else(|_| folder.to_owned());
    if !update::is_complete(root) {
        return Err(RestoreError::NoBackup(root.to_owned()));
    }
    let _held = lock(root)?;
    let read = Manifest::read(root).map_err(|why| RestoreError::Manifest { path: root.to_owned(), why })?;
    let manifest = read.ok_or_else(|| RestoreError::NoBackup(root.to_owned()))?;
    if !is_free(&folder) {
        return Err(RestoreError::Exists(folder));
    }
    let unfinished = Unfinished::beside(&folder)?;
    let restore = Restore { root, to: &unfinished.path };
    restore.store(&manifest)?;
    manifest.entries.iter().try_for_each(|entry| restore.file(entry))?;
    let failed = |why| RestoreError::Failed { path: folder.clone(), why };
    sync_folders(&unfinished.path).map_err(failed)?;
    fs::rename(&unfinished.path, &folder).map_err(failed)?;
    folder.parent().map_or(Ok(()), durable::sync).map_err(failed)?;
    let bytes = manifest.entries.iter().map(|entry| entry.content.bytes).sum::<u64>();
    let store_bytes = u64::from(manifest.pages) * manifest.page_bytes;
    Ok(Restored { folder, bytes: bytes + store_bytes, files: manifest.entries.len() as u64 + 1 })
}

fn lock(root: &Path) -> Result<File, RestoreError> {
    let mark = root.join(update::MARK);
    let file = File::open(&mark).map_err(|why| RestoreError::Damaged { path: mark, why })?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Err(RestoreError::Busy(root.to_owned())),
        // A backup on a disk without locks, such as a read-only snapshot, can be restored.
        _ => Ok(file),
    }
}

fn is_free(folder: &Path) -> bool {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => folder.symlink_metadata().is_err(),
    }
}

/// The data folder while it is incomplete; removed with its content on drop. It is locked, so that one that a killed restore
/// left is recognised.
struct Unfinished {
    path: PathBuf,
    _lock: File,
}

const SUFFIX: &str = ".afterword-restore";

impl Unfinished {
    fn beside(folder: &Path) -> Result<Self, RestoreError> {
        let mut name = OsString::from(".");
        name.push(folder.file_name().unwrap_or_default());
        let beginning = name.clone();
        name.push(format!(".{}{SUFFIX}", SystemRandom.uuid()));
        let path = folder.with_file_name(name);
        remove_stale(&path, &beginning.to_string_lossy());
        let lock = durable::make_folder(&path).and_then(|()| {
            let lock = File::open(&path)?;
            let _ = lock.try_lock();
            Ok(lock)
        });
        let lock = lock.map_err(|why| RestoreError::Failed { path: folder.to_owned(), why })?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After the restore the name is not there any more.
        drop(fs::remove_dir_all(&self.path));
    }
}

/// Removes what killed restores of the same folder left. A folder without content may be one that is not locked yet.
fn remove_stale(beside: &Path, beginning: &str) {
    let Some(Ok(entries)) = beside.parent().map(fs::read_dir) else { return };
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(beginning) && name.ends_with(SUFFIX));
        if is_ours && !is_free(&path) && File::open(&path).is_ok_and(|folder| folder.try_lock().is_ok()) {
            drop(fs::remove_dir_all(path));
        }
    }
}

struct Restore<'a> {
    root: &'a Path,
    to: &'a Path,
}

impl Restore<'_> {
    fn store(&self, manifest: &Manifest) -> Result<(), RestoreError> {
        let path = self.to.join(STORE);
        let failed = |why| RestoreError::Failed { path: path.clone(), why };
        let file = create(&path).map_err(failed)?;
        layers::restore(self.root, manifest, &file).map_err(|(layer, why)| self.damaged(&layer, why))?;
        file.set_len(u64::from(manifest.pages) * manifest.page_bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        drop(file);
        let not_whole = |why: String| RestoreError::Store { path: path.clone(), why };
        let db = open_to_read(&path).map_err(|why| not_whole(why.to_string()))?;
        store::refuse_newer(&db, &path).map_err(|why| not_whole(why.to_string()))?;
        let checked = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
        match checked.map_err(|why| not_whole(why.to_string()))?.as_str() {
            "ok" => Ok(()),
            why => Err(not_whole(why.to_owned())),
        }
    }

    fn file(&self, entry: &Entry) -> Result<(), RestoreError> {
        let relative = Path::new(&entry.path);
        let path = self.to.join(relative);
        // The list is protected by its digest; a path that leads elsewhere was written by nobody.
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(self.damaged(&entry.content, io::Error::other("its path leads out of the folder")));
        }
        let failed = |why| RestoreError::Failed { path: path.clone(), why };
        path.parent().map_or(Ok(()), durable::make_folder).map_err(failed)?;
        let mut file = create(&path).map_err(failed)?;
        contents::read(self.root, &entry.content, |piece| file.write_all(piece))
            .map_err(|why| self.damaged(&entry.content, why))?;
        let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(entry.modified);
        file.set_times(FileTimes::new().set_modified(modified)).and_then(|()| file.sync_all()).map_err(failed)
    }

    fn damaged(&self, content: &Content, why: io::Error) -> RestoreError {
        RestoreError::Damaged { path: Contents::path(self.root, content), why }
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

fn sync_folders(folder: &Path) -> io::Result<()> {
    private::repair_modes(folder);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    durable::sync(folder)
}
