//! The lock that keeps blobs from being deleted while a backup copies them.

use std::fmt::Display;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::disk::fault;
use flow::{Error, Kind, Result};

/// The `Retry-After` of a refused deletion. A backup of staged audio takes seconds to minutes, and the
/// sweep deletes again anyway.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The mutex allows one deletion at a time: the lock belongs to the open file, so a second deletion
/// would unlock it for the first one. An unlink takes microseconds.
pub struct Hold(Mutex<File>);

/// Keeps backups from starting until it is dropped.
pub struct Held<'a>(MutexGuard<'a, File>);

impl Hold {
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map(Mutex::new).map(Self)
    }

    /// Takes the lock for a deletion. It never waits for a backup, which may take long: the deletion is
    /// refused, and the caller tries again later.
    pub fn against_backups(&self, operation: &'static str, subject: impl Display) -> Result<Held<'_>> {
        let file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match file.try_lock() {
            Ok(()) => Ok(Held(file)),
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(Kind::Unavailable, operation, subject).after(RETRY_AFTER).because("a backup is running"))
            }
            Err(TryLockError::Error(error)) => Err(fault(operation, subject, error)),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::error!(
                %error, remedy = "start the server again, and test the disk of the data folder",
                "the lock against backups cannot be released: no backup can run"
            );
        }
    }
}
