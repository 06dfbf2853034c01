//! Completion of an upload session: the upload store says which files are complete, then one transaction creates the job.

use domain::job::DispatchState;
use domain::session::WholeFile;
use domain::{Job, Status};

use super::progress;
use crate::dispatch::enqueue_accepted;
use crate::effects;
use crate::error::Result;
use crate::ports::{Progress, SessionCompleted};
use crate::retry::with_retries;
use crate::services::Services;

#[derive(Clone, Debug, PartialEq)]
pub enum Completed {
    /// The session's job, or the one that has its recordings.
    Accepted {
        job: Job,
        deduplicated: bool,
    },
    /// These files are incomplete; each is given with the number of bytes that have arrived.
    Incomplete(Vec<(String, u64)>),
    /// The session expired or was cancelled.
    Ended(Job),
    NoSuchJob,
}

pub async fn complete(services: &Services, session: &Job) -> Result<Completed> {
    let progress = match session.status {
        Status::Uploading => progress(services, session).await?,
        _ => Vec::new(),
    };
    let whole: Vec<WholeFile> = progress.iter().enumerate().filter_map(whole).collect();
    match with_retries(&*services.clock, || services.store.complete_session(session.id, &whole, services.at())).await? {
        SessionCompleted::Job { job, deduplicated } => {
            tracing::debug!(step = "complete_session", job_id = %job.id, deduplicated);
            Ok(Completed::Accepted { job: go_on(services, job).await, deduplicated })
        }
        SessionCompleted::Answered { by, session } => {
            effects::run(services, &session).await;
            Ok(Completed::Accepted { job: *by, deduplicated: true })
        }
        SessionCompleted::Incomplete { job, missing } => {
            let offset = |index: usize| match progress.get(index) {
                Some(Some(Progress::Open { offset })) => *offset,
                _ => 0,
            };
            let missing = missing.into_iter().filter_map(|n| Some((job.files.get(n)?.name.clone(), offset(n))));
            Ok(Completed::Incomplete(missing.collect()))
        }
        SessionCompleted::Ended(job) => Ok(Completed::Ended(job)),
        SessionCompleted::NoSuchJob => Ok(Completed::NoSuchJob),
    }
}

fn whole((index, progress): (usize, &Option<Progress>)) -> Option<WholeFile> {
    match progress {
        Some(Progress::Whole { size, crc32c }) => Some(WholeFile { index, size: *size, crc32c: *crc32c }),
        _ => None,
    }
}

/// Enqueues a new job, or runs the effects of a finished one, and returns the job as it is then. A repeated completion
/// creates the task if a crash prevented that before.
async fn go_on(services: &Services, job: Job) -> Job {
    if job.status == Status::Queued && job.dispatch.state == DispatchState::Pending {
        return enqueue_accepted(services, job).await;
    }
    if job.status.is_terminal() {
        effects::run(services, &job).await;
    }
    job
}
