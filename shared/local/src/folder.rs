//! The data folder, which contains everything of one server, and the lock that keeps a second server
//! out.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf, absolute};

pub mod disk;
pub mod durable;
pub mod inside;
mod owner;
pub mod private;

pub use disk::DiskRefusal;
pub use owner::Owner;

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
    #[error("{}: this data folder has no store yet; start the server on it once, or name the folder that it uses", path.display())]
    NoStore { path: PathBuf },
    #[error("{}: the data folder cannot be written: {refusal}", path.display())]
    Disk { path: PathBuf, refusal: DiskRefusal },
    #[error("{}: the data folder cannot be read ({why}); run this as the server's user", path.display())]
    Unreadable { path: PathBuf, why: io::Error },
    #[error("{}: the data folder cannot be written ({why}); it must belong to the server's user", path.display())]
    Unwritable { path: PathBuf, why: io::Error },
    #[error("{}: the data folder cannot be locked ({why}); it must lie on a disk that knows locks", path.display())]
    Unlockable { path: PathBuf, why: io::Error },
}

impl FolderError {
    fn unwritable(path: &Path, why: io::Error) -> Self {
        let path = path.to_owned();
        match DiskRefusal::of(&path, &why) {
            Some(refusal) => Self::Disk { path, refusal },
            None => Self::Unwritable { path, why },
        }
    }
}

fn by(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// The lock is held as long as the file is open; the system releases it however the process ends.
    lock: Option<File>,
}

impl DataFolder {
    /// Opens the folder for the one server: creates it if necessary, and locks every other server out.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let path = absolute(path).unwrap_or_else(|_| path.to_owned());
        let unwritable = |why| FolderError::unwritable(&path, why);
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
        let folder = Self { path: path.clone(), lock: Some(lock) };
        durable::make_folder(&folder.secrets_dir()).map_err(unwritable)?;
        Ok(folder)
    }

    /// Opens the folder for a command that runs beside the server: the folder must exist, and nothing is
    /// locked.
    pub fn open_shared(path: &Path) -> Result<Self, FolderError> {
        let path = absolute(path).unwrap_or_else(|_| path.to_owned());
        let is_there = |path: &Path| match fs::metadata(path) {
            Ok(about) => Ok(Some(about)),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(FolderError::Unreadable { path: path.to_owned(), why }),
        };
        if is_there(&path)?.is_some_and(|about| !about.is_dir()) {
            return Err(FolderError::NotAFolder { path });
        }
        if is_there(&path.join(LOCK))?.is_none() && is_there(&path.join(STORE))?.is_none() {
            return Err(FolderError::Missing { path });
        }
        // Perhaps no server of this version has been started on this folder yet.
        private::repair_modes(&path);
        Ok(Self { path, lock: None })
    }

    /// For a command that needs the store: a folder on which no server has ever been ready has none.
    pub fn with_store(self) -> Result<Self, FolderError> {
        match fs::metadata(self.store_file()) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => Err(FolderError::NoStore { path: self.path }),
            _ => Ok(self),
        }
    }

    /// Whether a folder that exists is this one or lies in it, whatever links or mounts lead there.
    pub fn contains(&self, folder: &Path) -> bool {
        inside::is_inside(folder, &self.path)
    }

    /// Writes into the lock file where the server of this folder can be reached, so that commands on this machine find it.
    pub fn announce(&self, url: &str, certificate: Option<&Path>) -> io::Result<()> {
        let owner =
            Owner { pid: std::process::id(), url: Some(url.to_owned()), certificate: certificate.map(Path::to_owned) };
        self.lock.as_ref().map_or(Ok(()), |lock| owner.write(lock))
    }

    /// The server that runs on this folder, as far as the lock file tells; `None` if none runs.
    pub fn running(&self) -> Option<Owner> {
        Owner::read(&self.path.join(LOCK)).filter(Owner::is_running)
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

fn take(lock: &File, path: &Path) -> Result<(), FolderError> {
    let path = path.to_owned();
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = Owner::read(&path.join(LOCK)).map(|owner| owner.pid);
            return Err(FolderError::InUse { path, pid });
        }
        Err(TryLockError::Error(why)) => return Err(FolderError::Unlockable { path, why }),
    }
    let owner = Owner { pid: std::process::id(), url: None, certificate: None };
    owner.write(lock).map_err(|why| FolderError::unwritable(&path, why))
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
