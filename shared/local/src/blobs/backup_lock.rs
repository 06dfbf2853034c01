//! The lock that keeps blobs from being deleted while a backup copies them.

use std::fmt::Display;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::disk::fault;
use flow::{Error, Kind};

/// The `Retry-After` of a refused deletion. A backup of staged audio takes seconds to minutes, and the
/// sweep deletes again anyway.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// How long a deletion waits for a backup. Deletions get their turn between backups that are short and follow each other
/// at once.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The mutex allows one deletion at a time: the lock belongs to the open file, so a second deletion
/// would unlock it for the first one. An unlink takes microseconds.
pub struct Hold(Mutex<Lock>);

struct Lock {
    file: File,
    /// Until then deletions do not wait: one has waited in vain, and the others would wait after it.
    impatient_until: Option<Instant>,
}

/// Keeps backups from starting until it is dropped.
pub struct Held<'a>(MutexGuard<'a, Lock>);

impl Hold {
    pub fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map(|file| Self(Mutex::new(Lock { file, impatient_until: None })))
    }

    /// Takes the lock for a deletion. It does not wait long for a backup, which may take hours: the deletion is
    /// refused, and the caller tries again later.
    pub fn against_backups(&self, operation: &'static str, subject: impl Display) -> flow::Result<Held<'_>> {
        let mut lock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match lock.take() {
            Ok(()) => Ok(Held(lock)),
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(Kind::Unavailable, operation, subject).after(RETRY_AFTER).because("a backup is running"))
            }
            Err(TryLockError::Error(error)) => Err(fault(operation, subject, error)),
        }
    }
}

impl Lock {
    #[expect(clippy::disallowed_methods, reason = "another process is waited for, on a thread that may wait")]
    fn take(&mut self) -> Result<(), TryLockError> {
        let began = Instant::now();
        let patience = if self.impatient_until.is_some_and(|until| began < until) { Duration::ZERO } else { PATIENCE };
        loop {
            match self.file.try_lock() {
                Err(TryLockError::WouldBlock) if began.elapsed() < patience => std::thread::sleep(LOOK_EVERY),
                Err(TryLockError::WouldBlock) => {
                    self.impatient_until = Some(Instant::now() + RETRY_AFTER);
                    return Err(TryLockError::WouldBlock);
                }
                taken => return taken,
            }
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.file.unlock() {
            tracing::error!(
                %error, remedy = "start the server again, and test the disk of the data folder",
                "the lock against backups cannot be released: no backup can run"
            );
        }
    }
}
