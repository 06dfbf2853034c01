//! Writes of one delivery under its fence, one at a time, and the lease that they keep alive.

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
    /// Held by the file that writes. Two transactions on one job would only stand in each other's way.
    alone: Mutex<()>,
}

impl<'w> FencedWriter<'w> {
    pub fn new(services: &'w Services, job_id: JobId, fence: u64) -> Self {
        let last_write = AtomicI64::new(services.now().millis());
        Self { services, job_id, fence, last_write, alone: Mutex::default() }
    }

    /// A write under the fence, after the writes of the other files.
    pub async fn write<T, F>(&self, operation: impl FnMut() -> F) -> Result<T, FileError>
    where
        F: Future<Output = error::Result<Written<T>>>,
    {
        let _alone = self.alone.lock().await;
        let done = unfenced(with_retries(&*self.services.clock, operation).await?)?;
        self.wrote();
        Ok(done)
    }

    /// A worker's command, after the writes of the other files.
    pub async fn command(&self, command: &Command) -> Result<Job, FileError> {
        let _alone = self.alone.lock().await;
        let job = unfenced(written(self.services.step(self.job_id, command).await?))?;
        self.wrote();
        Ok(job)
    }

    /// Settles a file that cannot be worked on.
    pub async fn fail_file(&self, index: usize, failure: Failure) -> Result<Job, FileError> {
        tracing::info!(job_id = %self.job_id, file = index, code = %failure.code, "a file failed");
        self.command(&Command::FailFile { fence: self.fence, index, failure }).await
    }

    /// Renews the lease when a third of it has passed without a write. Ends only when the job is lost, and says why.
    pub async fn keep_lease(&self) -> Refusal {
        let every = self.services.settings.rules.renew_after;
        loop {
            let (last, now) = (Timestamp::from_millis(self.last_write.load(Ordering::Relaxed)), self.services.now());
            let idle = last.until(now);
            // A last write in the future was made by a clock that has come back since.
            if idle < every && last <= now {
                self.services.clock.sleep((every - idle).max(Duration::from_millis(1))).await;
                continue;
            }
            match self.services.step(self.job_id, &Command::Renew { fence: self.fence }).await.map(written) {
                Ok(Written::Done(_)) => self.wrote(),
                Ok(Written::Fenced(why)) => return why,
                // The lease may run out: then another worker goes on, and this one is fenced at its next write.
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

/// A worker's command as a worker's write. A job that is gone refuses as a job of another fence does.
fn written(stepped: Stepped) -> Written<Job> {
    match stepped {
        Stepped::Done { job, .. } => Written::Done(job),
        Stepped::Refused { why, .. } => Written::Fenced(why),
        Stepped::NoSuchJob => Written::Fenced(Refusal::Fenced { fence: 0 }),
    }
}
