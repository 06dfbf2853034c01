//! Why a backup was not made, in one line that says what to do.

use std::io;
use std::path::{Path, PathBuf};

use system::{Stopped, is_full};

use super::manifest::ManifestError;
use crate::folder::DiskRefusal;
use crate::folder::disk::free_bytes;
use crate::sqlite::{OpenError, kind_of};

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{}: there is a file already; a backup never replaces one", .0.display())]
    Exists(PathBuf),
    #[error("{}: this is inside the data folder; a backup belongs somewhere else", .0.display())]
    Inside(PathBuf),
    #[error("the backup would go to a terminal: name a file, or send it into a pipe or a file")]
    Terminal,
    #[error(
        "standard output is closed, so that nobody would get the backup: send it into a pipe or a file, or name a file"
    )]
    NoOutput,
    #[error("{}: nobody reads the backup any more; it is not complete", .0.display())]
    Closed(PathBuf),
    #[error("the backup was ended; nothing of it is left")]
    Stopped,
    #[error("{}: the backup was ended; {}", path.display(), left(*is_clean))]
    StoppedInFolder { path: PathBuf, is_clean: bool },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{}: the store cannot be copied ({why})", path.display())]
    Store { path: PathBuf, why: rusqlite::Error },
    #[error(
        "{}: the store is damaged ({why}) and is not copied; earlier backups are as they were, and `afterword export` \
         writes what can still be read",
        path.display()
    )]
    Damaged { path: PathBuf, why: String },
    #[error(
        "{}: the server writes faster than the store can be copied to this target; write to a faster disk first, or make \
         the backup when less is uploaded",
        path.display()
    )]
    Outpaced { path: PathBuf },
    #[error("{}: this folder is neither empty nor a backup; name another one", .0.display())]
    NoBackupFolder(PathBuf),
    #[error(
        "{}: this folder holds the backup of another server ({theirs}, and this one is {ours}), and nothing was changed; name \
         another folder, or get that server's data back with `afterword restore`",
        path.display()
    )]
    OtherServer { path: PathBuf, theirs: String, ours: String },
    #[error("{}: another backup or a restore uses this folder right now", .0.display())]
    Busy(PathBuf),
    #[error("{}: {why}; make a backup into another folder", path.display())]
    Manifest { path: PathBuf, why: ManifestError },
    #[error("{}: the disk of the data folder is full; the backup needs a little room there", .0.display())]
    DataFolderFull(PathBuf),
    #[error(
        "{}: the disk of the backup is full ({free} bytes are free there); an archive is removed, and a backup folder is as \
         it was",
        path.display()
    )]
    TargetFull { path: PathBuf, free: u64 },
    #[error("{}: this file of the data folder cannot be read ({why})", path.display())]
    Unread { path: PathBuf, why: io::Error },
    #[error("{}: the backup failed ({why})", path.display())]
    Failed { path: PathBuf, why: io::Error },
}

fn left(is_clean: bool) -> &'static str {
    if is_clean {
        "what it had copied is removed, and the last complete state is as it was"
    } else {
        "the last complete state is as it was; what this run had copied could not be removed, and the next run removes it"
    }
}

impl BackupError {
    /// An error of the list of a backup folder.
    pub fn manifest(path: &Path, why: ManifestError) -> Self {
        Self::Manifest { path: path.to_owned(), why }
    }

    /// An error of opening the store.
    pub fn opening(error: OpenError) -> Self {
        match error {
            OpenError::Disk { path, refusal: DiskRefusal::Full { .. } } => Self::DataFolderFull(path),
            error => Self::Open(error),
        }
    }

    /// An error of the data folder.
    pub fn unread(path: &Path, why: io::Error) -> Self {
        if is_full(&why) {
            return Self::DataFolderFull(path.to_owned());
        }
        Self::Unread { path: path.to_owned(), why }
    }

    /// An error of the database in the data folder.
    pub fn of_store(path: &Path, why: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match kind_of(&why) {
            flow::Kind::Full => Self::DataFolderFull(path),
            flow::Kind::Corrupt => Self::Damaged { path, why: why.to_string() },
            _ => Self::Store { path, why },
        }
    }

    /// An error of the target. Errors of the source travel through the writers of the target inside an [`io::Error`].
    pub fn of_target(path: &Path, why: io::Error) -> Self {
        match why.downcast::<Self>() {
            Ok(error) => error,
            Err(why) if Stopped::is_cause_of(&why) => Self::Stopped,
            Err(why) if is_full(&why) => Self::TargetFull { path: path.to_owned(), free: free_bytes(path) },
            Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Self::Closed(path.to_owned()),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => Self::Exists(path.to_owned()),
            Err(why) => Self::Failed { path: path.to_owned(), why },
        }
    }
}

impl From<BackupError> for io::Error {
    fn from(error: BackupError) -> Self {
        Self::other(error)
    }
}
