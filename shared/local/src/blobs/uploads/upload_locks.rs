//! One writer for each file: the one who comes last. A phone that lost its network comes again while the connection it
//! had before hangs; whoever holds that one is told to stop, and waited for, so that no byte is written twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flow::ports::{BlobName, Clock};
use flow::{Error, Kind, Result};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

/// The one before has one write and a sync to end: more than this means that the disk hangs.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[derive(Clone, Default)]
pub struct UploadLocks(Arc<Mutex<HashMap<BlobName, Arc<UploadLock>>>>);

#[derive(Default)]
struct UploadLock {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Of whoever came last: cancelled by the next one.
    last: Mutex<CancellationToken>,
}

/// The right to write a file, until it is dropped.
pub struct UploadGuard {
    upload_locks: UploadLocks,
    name: BlobName,
    /// `None` when it is let go of.
    lock: Option<Arc<UploadLock>>,
    displaced: CancellationToken,
    turn: Option<OwnedMutexGuard<()>>,
}

impl UploadLocks {
    pub async fn take(&self, operation: &'static str, name: &BlobName, clock: &dyn Clock) -> Result<UploadGuard> {
        let lock = Arc::clone(self.lock().entry(name.clone()).or_default());
        let displaced = CancellationToken::new();
        {
            let mut last = lock.last.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *last, displaced.clone()).cancel();
        }
        let turn = Arc::clone(&lock.turn).lock_owned();
        // Made before waiting: whoever gives up leaves no entry behind.
        let (upload_locks, lock) = (self.clone(), Some(lock));
        let mut taken =
            UploadGuard { upload_locks, name: name.clone(), lock, displaced: displaced.clone(), turn: None };
        let refuse = |why: &str| Error::new(Kind::Unavailable, operation, name).because(why.to_owned());
        tokio::select! {
            biased;
            turn = turn => taken.turn = Some(turn),
            () = displaced.cancelled() => return Err(refuse("somebody else came to send the same file")),
            () = clock.sleep(LONGEST_WAIT) => return Err(refuse("the one who sends the same file does not end")),
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
    /// Cancelled when somebody else wants it.
    pub fn displaced(&self) -> CancellationToken {
        self.displaced.clone()
    }
}

impl Drop for UploadGuard {
    fn drop(&mut self) {
        drop(self.turn.take());
        let mut upload_locks = self.upload_locks.lock();
        // Let go of under the lock, where alone anybody gets another one: of several who leave at once, the last one finds
        // nobody's but the map's.
        drop(self.lock.take());
        if upload_locks.get(&self.name).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            upload_locks.remove(&self.name);
        }
    }
}
