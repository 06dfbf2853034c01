//! How many calls compute at once, and the thread that each has to itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rten::{RunOptions, ThreadPool};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::{EngineError, Retry};

/// More than the cores of any machine: a limit on what can be configured.
const MOST: usize = 256;
/// Longer than the calls before it can take.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) struct Lanes {
    count: usize,
    free: Arc<Semaphore>,
    pools: Arc<Mutex<Vec<Arc<ThreadPool>>>>,
}

/// The right to compute. Given back when dropped.
pub(super) struct Lane {
    pool: Arc<ThreadPool>,
    pools: Arc<Mutex<Vec<Arc<ThreadPool>>>>,
    _permit: OwnedSemaphorePermit,
}

impl Lanes {
    /// 0: one for each core.
    pub fn new(count: usize) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let count = if count == 0 { cores() } else { count }.min(MOST);
        Self { count, free: Arc::new(Semaphore::new(count)), pools: Arc::default() }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    #[cfg(test)]
    pub fn idle(&self) -> usize {
        self.free.available_permits()
    }

    pub async fn free(&self) -> Result<Lane, EngineError> {
        let busy = || EngineError::new(Retry::Later { after: None }, "every core is busy with other speech");
        let waited = tokio::time::timeout(PATIENCE, Arc::clone(&self.free).acquire_owned()).await;
        let permit = waited.map_err(|_| busy())?.map_err(|_| busy())?;
        let pool = self.pools.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let pool = pool.unwrap_or_else(|| Arc::new(ThreadPool::with_num_threads(1)));
        Ok(Lane { pool, pools: Arc::clone(&self.pools), _permit: permit })
    }
}

impl Lane {
    /// On the lane's own thread. The options keep RTen there: otherwise it spreads work over all cores.
    pub fn run<T: Send>(&self, work: impl FnOnce(&RunOptions) -> T + Send) -> T {
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.pool)));
        self.pool.run(|| work(&options))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&self.pool));
    }
}
