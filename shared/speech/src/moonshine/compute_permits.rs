//! Permits that limit how many calls compute at once. Each permit has a thread of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rten::{RunOptions, ThreadPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::{EngineError, RetryClass};

/// The upper limit of the configurable parallelism: more than the cores of any machine.
const MAX_PERMITS: usize = 256;
/// How long a call waits for a permit. It is longer than the calls before it can take.
const MAX_WAIT: Duration = Duration::from_secs(600);

pub(super) struct ComputePermits {
    count: usize,
    free: Arc<Semaphore>,
    pools: Arc<Mutex<Vec<Arc<ThreadPool>>>>,
}

/// A permit to compute on its own thread. It is given back on drop.
pub(super) struct ComputePermit {
    pool: Arc<ThreadPool>,
    pools: Arc<Mutex<Vec<Arc<ThreadPool>>>>,
    _permit: OwnedSemaphorePermit,
}

impl ComputePermits {
    /// Creates `count` permits; 0 means one for each core.
    pub fn new(count: usize) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let count = if count == 0 { cores() } else { count }.min(MAX_PERMITS);
        Self { count, free: Arc::new(Semaphore::new(count)), pools: Arc::default() }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    #[cfg(test)]
    pub fn idle(&self) -> usize {
        self.free.available_permits()
    }

    pub async fn acquire(&self) -> Result<ComputePermit, EngineError> {
        let busy = || EngineError::new(RetryClass::Later { after: None }, "every core is busy with other speech");
        let waited = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.free).acquire_owned()).await;
        let permit = waited.map_err(|_| busy())?.map_err(|_| busy())?;
        let pool = self.pools.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let pool = pool.unwrap_or_else(|| Arc::new(ThreadPool::with_num_threads(1)));
        Ok(ComputePermit { pool, pools: Arc::clone(&self.pools), _permit: permit })
    }
}

impl ComputePermit {
    /// Runs `work` on the thread of this permit. The options keep RTen on that thread; otherwise it would use all cores.
    pub fn run<T: Send>(&self, work: impl FnOnce(&RunOptions) -> T + Send) -> T {
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.pool)));
        self.pool.run(|| work(&options))
    }
}

impl Drop for ComputePermit {
    fn drop(&mut self) {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&self.pool));
    }
}
