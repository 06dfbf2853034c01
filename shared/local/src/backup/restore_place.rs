//! Where a restore puts the data folder: under a new name, or into an empty folder that is there, such as a mount point. What
//! is not complete lies in a hidden folder, is removed with it, and is recognised after a kill.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

use flow::ports::Random;
use system::{Stop, SystemRandom, Unfinished, is_hidden};

use crate::folder::durable;

const SUFFIX: &str = ".afterword-restore";
/// It is placed last: until then no server finds its data in the folder.
const STORE: &str = "store.db";
/// What else a restore places.
const TREES: [&str; 2] = ["blobs", "secrets"];
/// Each file system of Linux has it at its root.
const LOST_AND_FOUND: &str = "lost+found";

/// What killed restores left, and whether it was removed.
pub type Stale = Vec<(PathBuf, bool)>;

pub struct Place {
    /// The data folder; the one that a link leads to if it is there already.
    pub folder: PathBuf,
    /// A folder that is there already. Its mode stays, and everything in it will belong to its owner.
    existing: Option<Metadata>,
    /// What occupies the folder; `None` if a restore may use it.
    pub occupied_by: Option<OsString>,
}

impl Place {
    /// Looks at the place, and removes what killed restores left there.
    pub fn of(folder: &Path) -> (Self, Stale) {
        let found = folder.canonicalize().ok().and_then(|path| Some((fs::metadata(&path).ok()?, path)));
        if let Some((about, path)) = found.filter(|(about, _)| about.is_dir()) {
            let stale = remove_stale(&path, true);
            let occupied_by = occupant(&path);
            return (Self { folder: path, existing: Some(about), occupied_by }, stale);
        }
        // A file, or a link that leads nowhere.
        let is_taken = folder.symlink_metadata().is_ok();
        let occupied_by = is_taken.then(|| folder.file_name().unwrap_or_default().to_owned());
        let stale = if is_taken { Stale::new() } else { remove_stale(folder.parent().unwrap_or(folder), false) };
        (Self { folder: folder.to_owned(), existing: None, occupied_by }, stale)
    }

    pub fn is_new(&self) -> bool {
        self.existing.is_none()
    }

    /// Creates the hidden folder, on the disk of the data folder.
    pub fn begin(&self, stop: &Stop) -> io::Result<Hidden> {
        let mut name = OsString::from(".");
        name.push(self.folder.file_name().unwrap_or(OsStr::new("data")));
        name.push(format!(".{}{SUFFIX}", SystemRandom.uuid()));
        let path = if self.is_new() { self.folder.with_file_name(name) } else { self.folder.join(name) };
        let unfinished = stop.unfinished(&path);
        durable::make_folder(&path)?;
        let lock = File::open(&path)?;
        let _ = lock.try_lock();
        Ok(Hidden { unfinished, _lock: lock })
    }

    /// Puts the complete content of the hidden folder where it belongs.
    pub fn publish(&self, hidden: Hidden, stop: &Stop) -> io::Result<()> {
        let Some(about) = &self.existing else {
            fs::rename(hidden.path(), &self.folder)?;
            hidden.unfinished.keep();
            return self.folder.parent().map_or(Ok(()), durable::sync);
        };
        give_to(about, hidden.path())?;
        let mut placed = Vec::new();
        for name in TREES {
            match fs::rename(hidden.path().join(name), self.folder.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => {
                    renamed?;
                    placed.push(stop.unfinished(&self.folder.join(name)));
                }
            }
        }
        durable::sync(&self.folder)?;
        durable::rename_without_replacing(&hidden.path().join(STORE), &self.folder.join(STORE))?;
        placed.into_iter().for_each(Unfinished::keep);
        // The hidden folder, now empty, goes too.
        drop(hidden);
        durable::sync(&self.folder)
    }
}

/// The folder in which everything lies while it is incomplete; removed with its content on drop. It is locked, so that one
/// that a killed restore left is recognised.
pub struct Hidden {
    unfinished: Unfinished,
    _lock: File,
}

impl Hidden {
    pub fn path(&self) -> &Path {
        self.unfinished.path()
    }
}

/// Gives everything in a folder to the owner of the data folder: the server may run as another user than the restore.
fn give_to(owner: &Metadata, path: &Path) -> io::Result<()> {
    let about = path.symlink_metadata()?;
    if (about.uid(), about.gid()) != (owner.uid(), owner.gid()) {
        lchown(path, Some(owner.uid()), Some(owner.gid()))?;
    }
    if about.is_dir() {
        fs::read_dir(path)?.try_for_each(|entry| give_to(owner, &entry?.path()))?;
    }
    Ok(())
}

/// A name that is in the way in an existing folder.
fn occupant(folder: &Path) -> Option<OsString> {
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.find_map(|entry| match entry {
            Ok(entry) if is_lost_and_found(&entry) => None,
            Ok(entry) => Some(entry.file_name()),
            Err(error) => Some(error.to_string().into()),
        }),
        Err(error) => Some(error.to_string().into()),
    }
}

fn is_lost_and_found(entry: &fs::DirEntry) -> bool {
    entry.file_name() == LOST_AND_FOUND && entry.file_type().is_ok_and(|kind| kind.is_dir())
}

/// Removes what killed restores left in a folder: beside a new data folder, or in an existing one together with what was
/// placed there.
fn remove_stale(folder: &Path, is_data_folder: bool) -> Stale {
    let Ok(entries) = fs::read_dir(folder) else { return Stale::new() };
    let mut stale = Stale::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder || !is_hidden(&entry.file_name(), SUFFIX) {
            continue;
        }
        // One without content may be that of a restore that has not locked it yet.
        if !is_data_folder && fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none()) {
            continue;
        }
        match File::open(&path).map(|folder| (folder.try_lock(), folder)) {
            Ok((Err(TryLockError::WouldBlock), _)) => {}
            Ok((Ok(()), _held)) => {
                // Without a store, nobody has used the folder since.
                if is_data_folder && !folder.join(STORE).exists() {
                    let placed = TREES.iter().map(|name| folder.join(name)).filter(|tree| tree.exists());
                    placed.for_each(|tree| drop(fs::remove_dir_all(tree)));
                }
                let removed = fs::remove_dir_all(&path).is_ok();
                stale.push((path, removed));
            }
            _ => stale.push((path, false)),
        }
    }
    stale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_is_free_and_lost_and_found_does_not_count() {
        let at = tempfile::tempdir().unwrap();
        let data = at.path().join("data");
        let occupant = || Place::of(&data).0.occupied_by;
        assert_eq!(occupant(), None, "there is none");
        fs::create_dir(&data).unwrap();
        assert_eq!(occupant(), None);
        fs::create_dir(data.join("lost+found")).unwrap();
        assert_eq!(occupant(), None);
        fs::write(data.join(".keep"), "").unwrap();
        assert_eq!(occupant(), Some(".keep".into()));
        fs::remove_dir_all(&data).unwrap();
        fs::write(&data, "a file").unwrap();
        assert_eq!(occupant(), Some("data".into()));
    }

    #[test]
    fn what_a_killed_restore_placed_is_removed_unless_a_server_has_used_the_folder_since() {
        let at = tempfile::tempdir().unwrap();
        let names = || {
            let mut names: Vec<_> = fs::read_dir(at.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        for is_used in [false, true] {
            for folder in ["lost+found", "secrets", ".data.1.afterword-restore/blobs"] {
                fs::create_dir_all(at.path().join(folder)).unwrap();
            }
            if is_used {
                fs::write(at.path().join(STORE), "").unwrap();
            }
            let (place, stale) = Place::of(at.path());
            assert_eq!(stale, [(at.path().join(".data.1.afterword-restore"), true)]);
            assert_eq!(place.occupied_by.is_some(), is_used);
            let left: &[&str] = if is_used { &["lost+found", "secrets", STORE] } else { &["lost+found"] };
            assert_eq!(names(), left);
        }
    }
}
