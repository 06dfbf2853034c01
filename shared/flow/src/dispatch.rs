//! Creating the task of a pending job, and marking the job as enqueued.

use domain::{Action, Command, Job};
use tracing::Instrument;

use crate::error::{Kind, REMEDY, Result};
use crate::job_end;
use crate::ports::{At, NewTask, Stepped, TaskBody};
use crate::retry::with_retries;
use crate::services::Services;

/// Creates the task of the job's current dispatch number and marks the job. An error is only logged: the job is durably
/// due, so that the sweep will create the task.
pub async fn enqueue(services: &Services, job: &Job) {
    report(job, try_enqueue(services, job).await);
}

fn report(job: &Job, made: Result<()>) {
    match made {
        Ok(()) => {}
        Err(error) if error.kind == Kind::Misconfigured => {
            tracing::error!(
                job_id = %job.id, %error, remedy = REMEDY,
                "no task can be made until a person mends it; then the sweep will make it"
            );
        }
        Err(error) => tracing::warn!(job_id = %job.id, %error, "no task was made; the sweep will make it"),
    }
}

/// Enqueues a job that was just accepted, and returns it: it may have to get in line for a slot. In the background, if
/// the settings say so.
pub async fn enqueue_accepted(services: &Services, job: Job) -> Job {
    if services.settings.enqueue_behind_answers {
        let (services, accepted) = (services.clone(), job.clone());
        tokio::spawn(async move { enqueue(&services, &accepted).await }.in_current_span());
        return job;
    }
    match settled(services, &job).await {
        Ok((job, promoted)) => {
            report(&job, make_task(services, &job).await);
            for job in &promoted {
                report(job, make_task(services, job).await);
            }
            // It may have got in line, and out of it again.
            promoted.into_iter().find(|promoted| promoted.id == job.id).unwrap_or(job)
        }
        Err(error) => {
            report(&job, Err(error));
            job
        }
    }
}

/// Settles the slot of the job, if it is provisional, and creates its task.
pub async fn try_enqueue(services: &Services, job: &Job) -> Result<()> {
    let (job, promoted) = settled(services, job).await?;
    make_task(services, &job).await?;
    for job in &promoted {
        make_task(services, job).await?;
    }
    Ok(())
}

/// The job after its slot was counted, if it took the slot before, and the jobs that got a slot because of that. A crash
/// before that delays the job until the sweep finds it due, and counts then.
async fn settled(services: &Services, job: &Job) -> Result<(Job, Vec<Job>)> {
    if !job.holds_provisional_slot() {
        return Ok((job.clone(), Vec::new()));
    }
    Ok(match services.step(job.id, &Command::SettleSlot).await? {
        Stepped::Done { job, promoted, .. } => (job, promoted),
        Stepped::Refused { job, .. } => (job, Vec::new()),
        Stepped::NoSuchJob => (job.clone(), Vec::new()),
    })
}

/// Creates the task of a job that holds a slot. A job in line gets its task with its slot.
async fn make_task(services: &Services, job: &Job) -> Result<()> {
    if job.waits_for_slot() {
        return Ok(());
    }
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
