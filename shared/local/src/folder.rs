//! The data folder, which contains everything of one server, and the lock that keeps a second server
//! out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf, absolute};

pub mod durable;
pub mod private;

const STORE: &str = "store.db";
const LOCK: &str = "lock";

/// Why a folder cannot be used, in one line for the person who starts the program.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{}: another process uses the data folder{}; end it, or choose another one", path.display(), by(*pid))]
    InUse { path: PathBuf, pid: Option<u32> },
    #[error("{}: this is not a folder; choose another data folder", path.display())]
    NotAFolder { path: PathBuf },
    #[error("{}: there is no data folder; start the server first, or name the folder it uses", path.display())]
    Missing { path: PathBuf },
    #[error("{}: the data folder cannot be written ({why}); it must belong to the server's user", path.display())]
    Unwritable { path: PathBuf, why: io::Error },
    #[error("{}: the data folder cannot be locked ({why}); it must lie on a disk that knows locks", path.display())]
    Unlockable { path: PathBuf, why: io::Error },
}

fn by(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// The lock is held as long as the file is open; the system releases it however the process ends.
    _lock: Option<File>,
}

impl DataFolder {
    /// Opens the folder for the one server: creates it if necessary, and locks every other server out.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let path = absolute(path).unwrap_or_else(|_| path.to_owned());
        let unwritable = |why| FolderError::Unwritable { path: path.clone(), why };
        durable::make_folder(&path).map_err(|why| match why.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                FolderError::NotAFolder { path: path.clone() }
            }
            _ => unwritable(why),
        })?;
        // The file is not truncated, because it contains the process id of the server that holds the lock.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(path.join(LOCK)).map_err(unwritable)?;
        take(&lock, &path)?;
        try_out(&path).map_err(unwritable)?;
        private::repair_modes(&path);
        let folder = Self { path: path.clone(), _lock: Some(lock) };
        durable::make_folder(&folder.secrets_dir()).map_err(unwritable)?;
        Ok(folder)
    }

    /// Opens the folder for a command that runs beside the server: the folder must exist, and nothing is
    /// locked.
    pub fn open_shared(path: &Path) -> Result<Self, FolderError> {
        let path = absolute(path).unwrap_or_else(|_| path.to_owned());
        if path.exists() && !path.is_dir() {
            return Err(FolderError::NotAFolder { path });
        }
        let is_ours = [LOCK, STORE].iter().any(|name| path.join(name).exists());
        if !is_ours {
            return Err(FolderError::Missing { path });
        }
        // Perhaps no server of this version has been started on this folder yet.
        private::repair_modes(&path);
        Ok(Self { path, _lock: None })
    }

    /// The absolute path, so that a printed command works in any folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn store_file(&self) -> PathBuf {
        self.path.join(STORE)
    }

    pub fn queue_file(&self) -> PathBuf {
        self.path.join("queue.db")
    }

    pub fn blobs_dir(&self) -> PathBuf {
        self.path.join("blobs")
    }

    pub fn secrets_dir(&self) -> PathBuf {
        self.path.join("secrets")
    }

    pub fn push_log(&self) -> PathBuf {
        self.path.join("push.log")
    }
}

fn take(mut lock: &File, path: &Path) -> Result<(), FolderError> {
    let path = path.to_owned();
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(path.join(LOCK)).ok().and_then(|text| text.trim().parse().ok());
            return Err(FolderError::InUse { path, pid });
        }
        Err(TryLockError::Error(why)) => return Err(FolderError::Unlockable { path, why }),
    }
    let noted = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    noted.map_err(|why| FolderError::Unwritable { path, why })
}

/// Checks that the folder takes new files: an existing lock file can be opened even where it does not.
fn try_out(path: &Path) -> io::Result<()> {
    // The lock is held, so no other process uses this name.
    let probe = path.join(".probe");
    private::make_file(&probe)?;
    fs::remove_file(probe)
}

#[cfg(test)]
mod tests;
