//! One claimed delivery: its files one after the other, while the lease is kept alive and the clock is watched.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use domain::{Code, Command, Job, JobId, PutBack, Timestamp};
use speech::Engine;
use tokio_util::sync::CancellationToken;

use super::stop::Stop;
use crate::circuit::Circuit;
use crate::ports::Stepped;
use crate::world::World;

pub struct Delivery<'w> {
    pub world: &'w World,
    pub engine: &'w Arc<dyn Engine>,
    pub circuit: &'w Circuit,
    pub job_id: JobId,
    pub fence: u64,
    /// When the lease was last extended by a write, in milliseconds.
    last_write: AtomicI64,
    /// Engine calls of this delivery that were answered.
    pub calls_answered: AtomicU32,
}

impl<'w> Delivery<'w> {
    pub fn new(world: &'w World, engine: &'w Arc<dyn Engine>, circuit: &'w Circuit, job: &Job) -> Self {
        Self {
            world,
            engine,
            circuit,
            job_id: job.id,
            fence: job.lease.fence,
            last_write: AtomicI64::new(world.now().millis()),
            calls_answered: AtomicU32::new(0),
        }
    }

    /// Works until everything is settled or something ends the delivery. Whatever is running is dropped then.
    pub async fn run(&self, job: Job, shutdown: &CancellationToken) -> Stop {
        let deadline = self.world.settings.worker.handler_deadline;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => Stop::PutBack(PutBack::Shutdown),
            stop = self.keep_lease() => stop,
            () = self.world.clock.sleep(deadline) => Stop::PutBack(PutBack::Deadline),
            stop = self.work(job) => stop,
        }
    }

    /// One file's trouble does not keep the others from their end: it is told when they have come to theirs.
    async fn work(&self, mut job: Job) -> Stop {
        let mut trouble = None;
        for index in 0..job.files.len() {
            if job.files[index].status.is_settled() {
                continue;
            }
            match self.file(job.clone(), index).await {
                Ok(after) => job = after,
                Err(Stop::File(error)) => {
                    tracing::warn!(job_id = %self.job_id, file = index, %error, "a file cannot be read now");
                    let fault = PutBack::Fault { code: Code::Internal, retry_after: error.retry_after };
                    trouble = trouble.or(Some(fault));
                }
                Err(Stop::PutBack(fault @ PutBack::Fault { .. })) => trouble = trouble.or(Some(fault)),
                Err(stop) => return stop,
            }
        }
        trouble.map_or(Stop::Finished, Stop::PutBack)
    }

    /// Renews the lease when a third of it has passed without a write. Ends only when the job is lost.
    async fn keep_lease(&self) -> Stop {
        let every = self.world.settings.rules.renew_after;
        loop {
            let idle = Timestamp::from_millis(self.last_write.load(Ordering::Relaxed)).until(self.world.now());
            if idle < every {
                self.world.clock.sleep((every - idle).max(Duration::from_millis(1))).await;
                continue;
            }
            match self.world.step(self.job_id, &Command::Renew { fence: self.fence }).await {
                Ok(Stepped::Done { .. }) => self.wrote(),
                Ok(Stepped::Refused { why, .. }) => return Stop::Lost(why),
                Ok(Stepped::NoSuchJob) => return Stop::Lost(domain::Refusal::Fenced { fence: self.fence }),
                // The lease may run out: then another worker goes on, and this one is fenced at its next write.
                Err(error) => {
                    tracing::warn!(job_id = %self.job_id, %error, "the lease could not be renewed");
                    self.world.clock.sleep(every.min(Duration::from_secs(1))).await;
                }
            }
        }
    }

    pub fn wrote(&self) {
        self.last_write.store(self.world.now().millis(), Ordering::Relaxed);
    }

    /// Settles a file that cannot be worked on.
    pub async fn fail_file(&self, index: usize, failure: domain::Failure) -> Result<Job, Stop> {
        tracing::info!(job_id = %self.job_id, file = index, code = %failure.code, "a file failed");
        let command = Command::FailFile { fence: self.fence, index, failure };
        match self.world.step(self.job_id, &command).await? {
            Stepped::Done { job, .. } => {
                self.wrote();
                Ok(job)
            }
            Stepped::Refused { why, .. } => Err(Stop::Lost(why)),
            Stepped::NoSuchJob => Err(Stop::Lost(domain::Refusal::Fenced { fence: self.fence })),
        }
    }
}
