//! Committing a batch: one transaction creates its job, or finds the job that already has its recordings.

use domain::accept::Batch;
use domain::{FileStatus, Job, Status};

use super::intake::{Intake, delete_all};
use super::refusal::Refused;
use crate::dispatch::enqueue_accepted;
use crate::effects;
use crate::error::{Error, Kind};
use crate::job_end;
use crate::metrics;
use crate::ports::{Created, Withdrawn};
use crate::retry::with_retries;
use crate::services::Services;

#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub job: Job,
    /// Whether every recording was known already, so that nothing is processed or billed again.
    pub deduplicated: bool,
}

impl Accepted {
    /// Whether this batch itself was proven silent: all of its recordings are stored as silent.
    pub fn is_silent(&self) -> bool {
        let silent = |file: &domain::JobFile| file.status == FileStatus::Silent;
        !self.deduplicated && self.job.status == Status::Completed && self.job.files.iter().all(silent)
    }
}

impl Intake {
    /// Commits the batch. A refused batch leaves nothing behind. After an unknown outcome the batch is withdrawn; if not
    /// even that is possible, the staged blobs are left to the orphan rule.
    pub async fn commit(mut self, traceparent: Option<String>) -> Result<Accepted, Refused> {
        if let Err(refused) = self.verdict() {
            self.staged.remove().await;
            return Err(refused);
        }
        let batch = Batch {
            job_id: self.job_id,
            uid: self.uid.clone(),
            files: std::mem::take(&mut self.files),
            conversation_id: self.terms.conversation_id,
            language: self.terms.language.clone(),
            traceparent,
        };
        let services = self.services.clone();
        // From here on a job may own the blobs, even if nobody waits for the answer any more: the guard must not delete
        // them.
        let blobs = self.staged.hand_over();
        let created = with_retries(&*services.clock, || services.store.create_job(&batch, services.at())).await;
        match created {
            Ok(Created::New { job, deduplicated }) => Ok(accepted(&services, job, deduplicated).await),
            // Whatever a store answers, the audio of the batch's own job is not deleted.
            Ok(Created::Answered(job)) if job.id == batch.job_id => Ok(Accepted { job, deduplicated: false }),
            Ok(Created::Answered(job)) => {
                delete_all(services, blobs).await;
                Ok(Accepted { job, deduplicated: true })
            }
            // Nothing is deleted after an unknown outcome before it is certain that no job owns the blobs.
            Err(error) if error.kind == Kind::Unknown => withdraw(&services, &batch, error).await,
            Err(error) => {
                delete_all(services, blobs).await;
                Err(Refused::Storage(error))
            }
        }
    }

    /// Gives the batch up and deletes its staged blobs.
    pub async fn abandon(mut self) {
        self.staged.remove().await;
    }
}

/// Goes on with a new job, and returns it as it is then.
async fn accepted(services: &Services, job: Job, deduplicated: bool) -> Accepted {
    tracing::debug!(step = "accept", job_id = %job.id, files = job.files.len(), deduplicated);
    metrics::uploaded(job.files.iter().map(|file| file.size).sum());
    if job.status.is_terminal() {
        job_end::record(&job);
        effects::run(services, &job).await;
        Accepted { job, deduplicated }
    } else if job.holds_slot() {
        Accepted { job: enqueue_accepted(services, job).await, deduplicated }
    } else {
        Accepted { job, deduplicated }
    }
}

/// Ends a batch whose creation has an unknown outcome: its job goes on, or its audio is deleted, now or by the sweep.
async fn withdraw(services: &Services, batch: &Batch, error: Error) -> Result<Accepted, Refused> {
    match with_retries(&*services.clock, || services.store.withdraw_batch(batch, services.at())).await {
        Ok(Withdrawn::Job { job, deduplicated }) => Ok(accepted(services, job, deduplicated).await),
        Ok(Withdrawn::Cancelled(job)) => {
            effects::run(services, &job).await;
            Err(Refused::Storage(error))
        }
        Err(why) => {
            let job_id = batch.job_id;
            tracing::warn!(%job_id, error = %why, "a batch of unknown outcome stays staged; the orphan rule decides");
            Err(Refused::Storage(error))
        }
    }
}
