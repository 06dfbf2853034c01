//! The end of a batch: one transaction makes its job, or finds the job that has its recordings.

use domain::accept::Batch;
use domain::{FileStatus, Job, Status};

use super::intake::{Intake, delete_all};
use super::refusal::Refused;
use crate::dispatch::enqueue_accepted;
use crate::effects;
use crate::error::Kind;
use crate::metrics;
use crate::ports::Created;
use crate::retry::with_retries;

#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub job: Job,
    /// Every recording was known: nothing runs or is billed twice.
    pub deduplicated: bool,
}

impl Accepted {
    /// This batch, and none before it, was proven silent: every recording of it is stored as that.
    pub fn is_silent(&self) -> bool {
        let silent = |file: &domain::JobFile| file.status == FileStatus::Silent;
        !self.deduplicated && self.job.status == Status::Completed && self.job.files.iter().all(silent)
    }
}

impl Intake {
    /// Commits the batch. A refusal leaves nothing; an unknown outcome leaves what is staged to the orphan rule.
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
        // From here on a job may own the blobs, even if nobody waits for the answer any more: the guard lets go of them.
        let blobs = self.staged.hand_over();
        let created = with_retries(&*services.clock, || services.store.create_job(&batch, services.at())).await;
        match created {
            Ok(Created::New { job, deduplicated }) => {
                tracing::debug!(step = "accept", job_id = %job.id, files = job.files.len(), deduplicated);
                metrics::uploaded(job.files.iter().map(|file| file.size).sum());
                if job.status.is_terminal() {
                    metrics::ended(&job);
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
                // An unknown outcome never deletes: the orphan rule decides.
                if error.kind != Kind::Unknown {
                    delete_all(services, blobs).await;
                }
                Err(Refused::Storage(error))
            }
        }
    }

    /// Gives the batch up: nothing is kept.
    pub async fn abandon(mut self) {
        self.staged.remove().await;
    }
}
