//! One writer for each file: the one that came last. A phone that lost its network reconnects while its
//! previous connection still hangs. The previous writer is told to stop, and the new one waits for it,
//! so that no byte is written twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flow::ports::{BlobName, Clock};
use flow::{Error, Kind, Result};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// How long a new writer waits for the previous one, which has at most one write and one sync to
/// finish. If it takes longer, the disk hangs.
const MAX_WAIT: Duration = Duration::from_secs(10);

#[derive(Clone, Default)]
pub struct UploadLocks(Arc<Mutex<HashMap<BlobName, Arc<UploadLock>>>>);

#[derive(Default)]
struct UploadLock {
    writing: Arc<tokio::sync::Mutex<()>>,
    /// The token of the latest writer; the next one cancels it.
    last: Mutex<CancellationToken>,
}

/// The right to write a file, until it is dropped.
pub struct UploadGuard {
    upload_locks: UploadLocks,
    name: BlobName,
    /// `None` once it has been given back.
    lock: Option<Arc<UploadLock>>,
    displaced: CancellationToken,
    writing: Option<OwnedMutexGuard<()>>,
}

impl UploadLocks {
    pub async fn take(&self, operation: &'static str, name: &BlobName, clock: &dyn Clock) -> Result<UploadGuard> {
        let lock = Arc::clone(self.lock().entry(name.clone()).or_default());
        let displaced = CancellationToken::new();
        {
            let mut last = lock.last.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *last, displaced.clone()).cancel();
        }
        let writing = Arc::clone(&lock.writing).lock_owned();
        // The guard is created before the wait, so that a caller that gives up leaves no entry behind.
        let (upload_locks, lock) = (self.clone(), Some(lock));
        let mut taken =
            UploadGuard { upload_locks, name: name.clone(), lock, displaced: displaced.clone(), writing: None };
        let refuse = |why: &str| Error::new(Kind::Unavailable, operation, name).because(why.to_owned());
        tokio::select! {
            biased;
            writing = writing => taken.writing = Some(writing),
            () = displaced.cancelled() => return Err(refuse("another request has taken over this file")),
            () = clock.sleep(MAX_WAIT) => return Err(refuse("the previous request for this file does not end")),
        }
        Ok(taken)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BlobName, Arc<UploadLock>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.lock().len()
    }
}

impl UploadGuard {
    /// Cancelled when another writer wants the file.
    pub fn displaced(&self) -> CancellationToken {
        self.displaced.clone()
    }
}

impl Drop for UploadGuard {
    fn drop(&mut self) {
        drop(self.writing.take());
        let mut upload_locks = self.upload_locks.lock();
        // The reference is dropped under the map's lock, because new references are only taken there. So the
        // last of several guards dropped at once sees that only the map's reference is left.
        drop(self.lock.take());
        if upload_locks.get(&self.name).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            upload_locks.remove(&self.name);
        }
    }
}
