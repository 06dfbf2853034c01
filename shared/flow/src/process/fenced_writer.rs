//! The writes of one delivery under its fence, one at a time, and the renewal of its lease.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::{Command, Failure, Job, JobId, Refusal, Timestamp};
use tokio::sync::Mutex;

use super::outcome::{FileError, unfenced};
use crate::error;
use crate::ports::{Stepped, Written};
use crate::retry::with_retries;
use crate::services::Services;

pub struct FencedWriter<'w> {
    services: &'w Services,
    job_id: JobId,
    fence: u64,
    /// When the lease was last extended by a write, in milliseconds.
    last_write: AtomicI64,
    /// Held during a write. Two concurrent transactions on one job would only conflict.
    alone: Mutex<()>,
}

impl<'w> FencedWriter<'w> {
    pub fn new(services: &'w Services, job_id: JobId, fence: u64) -> Self {
        let last_write = AtomicI64::new(services.now().millis());
        Self { services, job_id, fence, last_write, alone: Mutex::default() }
    }

    /// Writes under the fence, after pending writes of other files.
    pub async fn write<T, F>(&self, operation: impl FnMut() -> F) -> Result<T, FileError>
    where
        F: Future<Output = error::Result<Written<T>>>,
    {
        let _alone = self.alone.lock().await;
        let done = unfenced(with_retries(&*self.services.clock, operation).await?)?;
        self.wrote();
        Ok(done)
    }

    /// Applies a worker's command, after pending writes of other files.
    pub async fn command(&self, command: &Command) -> Result<Job, FileError> {
        let _alone = self.alone.lock().await;
        let job = unfenced(written(self.services.step(self.job_id, command).await?))?;
        self.wrote();
        Ok(job)
    }

    /// Fails a file that cannot be processed.
    pub async fn fail_file(&self, index: usize, failure: Failure) -> Result<Job, FileError> {
        tracing::debug!(job_id = %self.job_id, file = index, code = %failure.code, "a file failed");
        self.command(&Command::FailFile { fence: self.fence, index, failure }).await
    }

    /// Renews the lease whenever a third of it has passed without a write. Returns only when the job is lost, with the
    /// reason.
    pub async fn keep_lease(&self) -> Refusal {
        let every = self.services.settings.rules.renew_after;
        loop {
            let (last, now) = (Timestamp::from_millis(self.last_write.load(Ordering::Relaxed)), self.services.now());
            let idle = last.until(now);
            // A last write in the future was made before the clock was set back.
            if idle < every && last <= now {
                self.services.clock.sleep((every - idle).max(Duration::from_millis(1))).await;
                continue;
            }
            match self.services.step(self.job_id, &Command::Renew { fence: self.fence }).await.map(written) {
                Ok(Written::Done(_)) => self.wrote(),
                Ok(Written::Fenced(why)) => return why,
                // The lease may expire. Then another worker continues, and this one is fenced at its next write.
                Err(error) => {
                    tracing::warn!(job_id = %self.job_id, %error, "the lease could not be renewed");
                    self.services.clock.sleep(every.min(Duration::from_secs(1))).await;
                }
            }
        }
    }

    fn wrote(&self) {
        self.last_write.store(self.services.now().millis(), Ordering::Relaxed);
    }
}

/// The result of a command as the result of a worker's write. A job that does not exist counts as fenced.
fn written(stepped: Stepped) -> Written<Job> {
    match stepped {
        Stepped::Done { job, .. } => Written::Done(job),
        Stepped::Refused { why, .. } => Written::Fenced(why),
        Stepped::NoSuchJob => Written::Fenced(Refusal::Fenced { fence: 0 }),
    }
}
