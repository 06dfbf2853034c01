//! What a user can do to a job: cancel it, or have it run again for what is not done.

use domain::{Command, Job, JobId, Refusal};

use crate::dispatch::follow_up;
use crate::effects;
use crate::error::Result;
use crate::ports::Stepped;
use crate::services::Services;

/// What became of the wish. `Err` in it: the job's state refuses it; `None`: there is no such job.
pub type Controlled = Option<std::result::Result<Job, Refusal>>;

/// A running worker is fenced off: it stops at its next write. The staged audio goes.
pub async fn cancel(services: &Services, id: JobId) -> Result<Controlled> {
    let stepped = services.step(id, &Command::Cancel).await?;
    follow_up(services, &stepped).await;
    let controlled = settle(stepped);
    if let Some(Ok(job)) = &controlled {
        effects::run(services, job).await;
    }
    Ok(controlled)
}

/// What is done stays done; the rest runs again, in the user's turn.
pub async fn retry(services: &Services, id: JobId) -> Result<Controlled> {
    let stepped = services.step(id, &Command::Retry { key: services.random.nonce() }).await?;
    follow_up(services, &stepped).await;
    Ok(settle(stepped))
}

fn settle(stepped: Stepped) -> Controlled {
    match stepped {
        Stepped::Done { job, .. } => Some(Ok(job)),
        Stepped::Refused { why, .. } => Some(Err(why)),
        Stepped::NoSuchJob => None,
    }
}
