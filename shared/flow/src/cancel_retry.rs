//! The operations of a user on a job: cancelling it, or retrying what is not done.

use domain::{Command, Job, JobId, Refusal};

use crate::dispatch::follow_up;
use crate::effects;
use crate::error::Result;
use crate::ports::Stepped;
use crate::services::Services;

/// The result of the operation: `None` if there is no such job, `Err` if its state does not allow the operation.
pub type JobCommandResult = Option<std::result::Result<Job, Refusal>>;

/// Cancels a job. A running worker is fenced and stops at its next write. The staged audio is deleted.
pub async fn cancel(services: &Services, id: JobId) -> Result<JobCommandResult> {
    let stepped = services.step(id, &Command::Cancel).await?;
    follow_up(services, &stepped).await;
    let controlled = outcome_of(stepped);
    if let Some(Ok(job)) = &controlled {
        effects::run(services, job).await;
    }
    Ok(controlled)
}

/// Retries a job: everything that is not done is processed again, as soon as the user has a free slot.
pub async fn retry(services: &Services, id: JobId) -> Result<JobCommandResult> {
    let stepped = services.step(id, &Command::Retry { key: services.random.nonce() }).await?;
    follow_up(services, &stepped).await;
    Ok(outcome_of(stepped))
}

fn outcome_of(stepped: Stepped) -> JobCommandResult {
    match stepped {
        Stepped::Done { job, .. } => Some(Ok(job)),
        Stepped::Refused { why, .. } => Some(Err(why)),
        Stepped::NoSuchJob => None,
    }
}
