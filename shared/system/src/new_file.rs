//! A file that only its owner may read, and that gets its name when it is complete and durable. Until then it has a name of
//! its own and is locked, so that what a killed command left is recognised and that of a running one is never touched.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf, absolute};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use flow::ports::Random;

use crate::durable;
use crate::end_request::{Stop, Stopped, Unfinished};
use crate::random::SystemRandom;

const SUFFIX: &str = ".afterword-part";
/// The suffix of the folder that earlier versions used. It was not locked, so nobody can tell whether it is in use.
const EARLIER_SUFFIX: &str = ".part";
/// The files in such a folder.
const EARLIER_FILES: [&str; 2] = ["store.db", "archive.tar"];
/// How often a sync that takes long looks whether the command has to end.
const LOOK: Duration = Duration::from_millis(50);

/// Why a file was not written, in one line for the person who named it.
#[derive(Debug, thiserror::Error)]
pub enum NewFileError {
    #[error("{}: there is a file already, which is never replaced; name another one", .0.display())]
    Exists(PathBuf),
    #[error("the command was ended; nothing of the file is left")]
    Stopped,
    #[error("{}: the disk is full ({free} bytes are free there), and nothing of the file is left", path.display())]
    Full { path: PathBuf, free: u64 },
    #[error("{}: the file cannot be written ({why})", path.display())]
    Failed { path: PathBuf, why: io::Error },
}

impl NewFileError {
    pub fn of(path: &Path, why: io::Error) -> Self {
        let path = path.to_owned();
        match why.kind() {
            _ if Stopped::is_cause_of(&why) => Self::Stopped,
            io::ErrorKind::AlreadyExists => Self::Exists(path),
            _ if is_full(&why) => Self::Full { free: free_bytes(&path), path },
            _ => Self::Failed { path, why },
        }
    }
}

pub fn is_full(why: &io::Error) -> bool {
    matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn free_bytes(path: &Path) -> u64 {
    let disk = path.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok());
    disk.map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

pub struct NewFile {
    pub file: File,
    unfinished: Unfinished,
    /// The name that it gets.
    pub to: PathBuf,
    stop: Stop,
}

impl NewFile {
    /// Creates the file beside the future one, on the same disk. Nothing may have the future name.
    pub fn create(to: &Path, stop: &Stop) -> io::Result<Self> {
        let to = absolute(to)?;
        let name = to.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        if to.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut own = OsString::from(".");
        own.push(name);
        own.push(format!(".{}{SUFFIX}", SystemRandom.uuid()));
        let unfinished = stop.unfinished(&to.with_file_name(own));
        let file = loop {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create_new(true).mode(0o600).open(unfinished.path())?;
            // On a disk that knows no locks, what a killed command leaves is told and not removed.
            let _ = file.try_lock();
            // Another command that looks for stale files may have seen this one before it was locked.
            if file.metadata()?.nlink() > 0 {
                break file;
            }
        };
        Ok(Self { file, unfinished, to, stop: stop.clone() })
    }

    /// Makes the file durable and gives it its name. Returns its size. After a request to end there is no file.
    pub fn publish(self) -> io::Result<u64> {
        self.sync()?;
        let bytes = self.file.metadata()?.len();
        durable::rename_without_replacing(self.unfinished.path(), &self.to)?;
        self.unfinished.keep();
        self.to.parent().map_or(Ok(()), durable::sync)?;
        Ok(bytes)
    }

    /// A disk may take long for a sync. It is not waited for against a request to end: the file is then removed at once.
    fn sync(&self) -> io::Result<()> {
        let (done, synced) = mpsc::channel();
        let file = self.file.try_clone()?;
        let sync = move || drop(done.send(file.sync_all()));
        std::thread::Builder::new().name("sync".into()).spawn(sync)?;
        loop {
            self.stop.check()?;
            match synced.recv_timeout(LOOK) {
                Ok(synced) => {
                    synced?;
                    return Ok(self.stop.check()?);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the sync did not come to its end"));
                }
            }
        }
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stop.check()?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Removes what killed commands left in the folder. Returns it, and whether it could be removed.
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

/// Removes the file unless a running command has locked it. Returns whether it was stale.
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn file_is_private_and_gets_its_name_only_when_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = NewFile::create(&path, &Stop::default()).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(names(folder.path()), [""; 0], "what broke off leaves nothing");
        let mut file = NewFile::create(&path, &Stop::default()).unwrap();
        file.write_all(b"whole").unwrap();
        assert_eq!(file.publish().unwrap(), 5);
        assert_eq!((fs::read(&path).unwrap(), names(folder.path()).len()), (b"whole".to_vec(), 1));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn existing_file_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = NewFile::create(&path, &Stop::default()).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        let exists = |error| matches!(NewFileError::of(&path, error), NewFileError::Exists(_));
        assert!(NewFile::create(&path, &Stop::default()).is_err_and(exists));
        assert!(file.publish().is_err_and(exists));
        assert_eq!((fs::read(&path).unwrap(), names(folder.path()).len()), (b"somebody else's".to_vec(), 1));
    }

    #[test]
    fn request_to_end_before_the_name_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let stop = Stop::default();
        let mut file = NewFile::create(&folder.path().join("file"), &stop).unwrap();
        stop.set();
        assert!(Stopped::is_cause_of(&file.write(b"more").unwrap_err()));
        assert!(Stopped::is_cause_of(&file.publish().unwrap_err()));
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
