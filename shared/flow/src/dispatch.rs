//! Creating the task of a pending job, and marking the job as enqueued.

use domain::{Action, Command, Job};
use tracing::Instrument;

use crate::error::{Kind, Result};
use crate::job_end;
use crate::ports::{At, NewTask, Stepped, TaskBody};
use crate::retry::with_retries;
use crate::services::Services;

/// Creates the task of the job's current dispatch number and marks the job. An error is only logged: the job is durably
/// due, so that the sweep will create the task.
pub async fn enqueue(services: &Services, job: &Job) {
    match try_enqueue(services, job).await {
        Ok(()) => {}
        Err(error) if error.kind == Kind::Misconfigured => {
            tracing::error!(job_id = %job.id, %error, "no task can be made until a person mends it; then the sweep will make it");
        }
        Err(error) => tracing::warn!(job_id = %job.id, %error, "no task was made; the sweep will make it"),
    }
}

/// Enqueues a job that was just accepted; in the background, if the settings say so.
pub async fn enqueue_accepted(services: &Services, job: &Job) {
    if !services.settings.enqueue_behind_answers {
        return enqueue(services, job).await;
    }
    let (services, job) = (services.clone(), job.clone());
    tokio::spawn(async move { enqueue(&services, &job).await }.in_current_span());
}

pub async fn try_enqueue(services: &Services, job: &Job) -> Result<()> {
    let now = services.now();
    let schedule = job.dispatch.not_before.filter(|at| !now.has_reached(*at));
    let task = NewTask {
        body: TaskBody { job_id: job.id, uid: job.uid.clone(), dispatch: job.dispatch.number },
        schedule,
        traceparent: job.traceparent.clone(),
    };
    with_retries(&*services.clock, || services.queue.enqueue(task.clone())).await?;
    tracing::debug!(step = "enqueue", job_id = %job.id, dispatch = job.dispatch.number);
    let command = Command::Enqueued { number: job.dispatch.number, schedule };
    services.step(job.id, &command).await?;
    Ok(())
}

/// Performs the actions of a step outside of its transaction: creates tasks for the job and for jobs that got a slot.
pub async fn follow_up(services: &Services, stepped: &Stepped) {
    let Stepped::Done { job, actions, promoted } = stepped else { return };
    if actions.contains(&Action::Enqueue) {
        enqueue(services, job).await;
    }
    for job in promoted {
        enqueue(services, job).await;
    }
}

impl Services {
    /// Applies one command, and repeats it if its answer was lost.
    pub async fn step(&self, id: domain::JobId, command: &Command) -> Result<Stepped> {
        let stepped = with_retries(&*self.clock, || self.store.step(id, command, self.at())).await?;
        if let Stepped::Done { job, .. } = &stepped {
            job_end::record_if_ended(command, job);
        }
        Ok(stepped)
    }

    pub fn at(&self) -> At<'_> {
        At { now: self.now(), rules: &self.settings.rules }
    }
}
