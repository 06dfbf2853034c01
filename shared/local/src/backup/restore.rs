//! Makes a data folder of a backup folder. Every byte is compared with its digest, and nobody finds the folder's data before
//! it is complete.

use std::fs::{self, File, FileTimes, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf, absolute};
use std::time::{Duration, SystemTime};

use system::{Stop, is_full};

use super::contents::{self, Contents};
use super::manifest::{Content, Entry, Manifest, ManifestError};
use super::restore_place::{Place, Stale};
use super::{layers, update};
use crate::folder::disk::{LITTLE, free_bytes};
use crate::folder::inside::is_inside;
use crate::folder::{durable, private};
use crate::sqlite::open_to_read;
use crate::store;

const STORE: &str = "store.db";
/// The number of SQLite's own steps after which the check of the store looks for a signal.
const OPERATIONS_A_LOOK: i32 = 10_000;

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("{}: there is no complete backup in this folder", .0.display())]
    NoBackup(PathBuf),
    #[error("{}: the backup cannot be read ({why})", path.display())]
    Unread { path: PathBuf, why: io::Error },
    #[error("{}: this is inside the backup; name a data folder somewhere else", .0.display())]
    Inside(PathBuf),
    #[error("the restore was ended; nothing of it is left")]
    Stopped,
    #[error("{}: the disk of the new data folder is full ({free} bytes are free there); nothing was restored", path.display())]
    Full { path: PathBuf, free: u64 },
    #[error("{}: a backup is written there right now; try again", .0.display())]
    Busy(PathBuf),
    #[error("{}: {why}", path.display())]
    Manifest { path: PathBuf, why: ManifestError },
    #[error(
        "{}: there is something already (`{found}`); a restore needs a new or an empty folder, in which at most `lost+found` is",
        path.display()
    )]
    Exists { path: PathBuf, found: String },
    #[error(
        "{}: this file of the backup cannot be used ({why}); nothing was restored. If the server still has its data, make a \
         backup into another folder with `afterword backup --to`",
        path.display()
    )]
    Damaged { path: PathBuf, why: io::Error },
    #[error("{}: the restored store is not whole ({why}); nothing was restored", path.display())]
    Store { path: PathBuf, why: String },
    #[error("{}: the data folder cannot be written ({why})", path.display())]
    Failed { path: PathBuf, why: io::Error },
}

impl RestoreError {
    /// An error of the new data folder.
    fn of_folder(path: &Path, why: io::Error) -> Self {
        if is_full(&why) {
            return Self::Full { path: path.to_owned(), free: free_bytes(path) };
        }
        Self::Failed { path: path.to_owned(), why }
    }

    /// An error of the restored store. SQLite does not tell that the disk is full.
    fn of_store(path: &Path, why: String) -> Self {
        match free_bytes(path) {
            free if free < LITTLE => Self::Full { path: path.to_owned(), free },
            _ => Self::Store { path: path.to_owned(), why },
        }
    }
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub folder: PathBuf,
    pub bytes: u64,
    pub files: u64,
    /// Whether the folder was created. One that was there keeps its owner and its mode.
    pub is_new: bool,
    /// What interrupted restores left, and whether it was removed.
    pub stale: Stale,
}

/// Makes the folder. When `stop` is set the restore ends with [`RestoreError::Stopped`], and nothing of it is left.
pub fn restore(root: &Path, folder: &Path, stop: &Stop) -> Result<Restored, RestoreError> {
    let folder = absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let _held = lock(root)?;
    let read = Manifest::read(root).map_err(|why| RestoreError::Manifest { path: root.to_owned(), why })?;
    let manifest = read.ok_or_else(|| RestoreError::NoBackup(root.to_owned()))?;
    let above = folder.ancestors().find_map(|above| above.canonicalize().ok());
    if above.is_some_and(|above| is_inside(&above, root)) {
        return Err(RestoreError::Inside(folder));
    }
    let (place, stale) = Place::of(&folder);
    if let Some(found) = &place.occupied_by {
        return Err(RestoreError::Exists { path: folder, found: found.display().to_string() });
    }
    let failed = |why| RestoreError::of_folder(&folder, why);
    let hidden = place.begin(stop).map_err(failed)?;
    let restore = Restore { root, to: hidden.path(), stop };
    restore.store(&manifest)?;
    manifest.entries.iter().try_for_each(|entry| restore.file(entry))?;
    sync_folders(hidden.path()).map_err(failed)?;
    restore.tick()?;
    place.publish(hidden, stop).map_err(failed)?;
    let bytes = manifest.entries.iter().map(|entry| entry.content.bytes).sum::<u64>();
    let store_bytes = u64::from(manifest.pages) * manifest.page_bytes;
    let files = manifest.entries.len() as u64 + 1;
    Ok(Restored { bytes: bytes + store_bytes, files, is_new: place.is_new(), folder, stale })
}

fn lock(root: &Path) -> Result<File, RestoreError> {
    let mark = root.join(update::MARK);
    let file = File::open(&mark).map_err(|why| match why.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => RestoreError::NoBackup(root.to_owned()),
        _ => RestoreError::Unread { path: mark, why },
    })?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Err(RestoreError::Busy(root.to_owned())),
        // A backup on a disk without locks, such as a read-only snapshot, can be restored.
        _ => Ok(file),
    }
}

struct Restore<'a> {
    root: &'a Path,
    to: &'a Path,
    stop: &'a Stop,
}

impl Restore<'_> {
    fn tick(&self) -> Result<(), RestoreError> {
        if self.stop.is_set() { Err(RestoreError::Stopped) } else { Ok(()) }
    }

    fn store(&self, manifest: &Manifest) -> Result<(), RestoreError> {
        let path = self.to.join(STORE);
        let failed = |why| RestoreError::of_folder(&path, why);
        let file = create(&path).map_err(failed)?;
        let write = |at, page: &[u8]| {
            self.tick()?;
            file.write_all_at(page, at).map_err(failed)
        };
        layers::restore(self.root, manifest, write, |layer, why| self.damaged(layer, why))?;
        file.set_len(u64::from(manifest.pages) * manifest.page_bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        drop(file);
        let db = open_to_read(&path).and_then(|db| store::refuse_newer(&db, &path).map(|()| db));
        let mut db = db.map_err(|why| RestoreError::of_store(&path, why.to_string()))?;
        let stop = self.stop.clone();
        let checked = db
            .progress_handler(OPERATIONS_A_LOOK, Some(move || stop.is_set()))
            .and_then(|()| db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)));
        self.tick()?;
        match checked.map_err(|why| RestoreError::of_store(&path, why.to_string()))?.as_str() {
            "ok" => Ok(()),
            why => Err(RestoreError::of_store(&path, why.to_owned())),
        }
    }

    fn file(&self, entry: &Entry) -> Result<(), RestoreError> {
        let relative = Path::new(&entry.path);
        let path = self.to.join(relative);
        // The list is protected by its digest; a path that leads elsewhere was written by nobody.
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(self.damaged(&entry.content, io::Error::other("its path leads out of the folder")));
        }
        let failed = |why| RestoreError::of_folder(&path, why);
        self.tick()?;
        path.parent().map_or(Ok(()), durable::make_folder).map_err(failed)?;
        let mut file = create(&path).map_err(failed)?;
        let write = |piece: &[u8]| {
            self.tick()?;
            file.write_all(piece).map_err(failed)
        };
        contents::read(self.root, &entry.content, write, |why| self.damaged(&entry.content, why))?;
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
