//! Committing a batch: one transaction creates its job, or finds the job that already has its recordings.

use domain::accept::Batch;
use domain::{FileStatus, Job, Status};

use super::intake::{Intake, delete_all};
use super::refusal::Refused;
use crate::dispatch::enqueue_accepted;
use crate::effects;
use crate::error::Kind;
use crate::job_end;
use crate::metrics;
use crate::ports::Created;
use crate::retry::with_retries;

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
    /// Commits the batch. A refused batch leaves nothing behind. If the outcome is unknown, the staged blobs are left
    /// to the orphan rule.
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
            Ok(Created::New { job, deduplicated }) => {
                tracing::debug!(step = "accept", job_id = %job.id, files = job.files.len(), deduplicated);
                metrics::uploaded(job.files.iter().map(|file| file.size).sum());
                if job.status.is_terminal() {
                    job_end::record(&job);
                    effects::run(&services, &job).await;
                } else if job.holds_slot() {
                    enqueue_accepted(&services, &job).await;
                }
                Ok(Accepted { job, deduplicated })
            }
            Ok(Created::Answered(job)) => {
                delete_all(services, blobs).await;
                Ok(Accepted { job, deduplicated: true })
            }
            Err(error) => {
                // Nothing is deleted after an unknown outcome: the orphan rule decides.
                if error.kind != Kind::Unknown {
                    delete_all(services, blobs).await;
                }
                Err(Refused::Storage(error))
            }
        }
    }

    /// Gives the batch up and deletes its staged blobs.
    pub async fn abandon(mut self) {
        self.staged.remove().await;
    }
}
