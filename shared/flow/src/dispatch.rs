//! Making the task of a pending job, and saying so in the job.

use domain::{Action, Command, Job};

use crate::counted;
use crate::error::{Kind, Result};
use crate::persist::persist;
use crate::ports::{At, NewTask, Stepped, TaskBody};
use crate::world::World;

/// Makes the task of the job's present dispatch number and marks the job. Trouble is logged and left to the sweep: the
/// job is durably due.
pub async fn enqueue(world: &World, job: &Job) {
    match try_enqueue(world, job).await {
        Ok(()) => {}
        Err(error) if error.kind == Kind::Misconfigured => {
            tracing::error!(job_id = %job.id, %error, "no task can be made until a person mends it; then the sweep will make it");
        }
        Err(error) => tracing::warn!(job_id = %job.id, %error, "no task was made; the sweep will make it"),
    }
}

/// The same for a job that was just accepted.
pub async fn enqueue_accepted(world: &World, job: &Job) {
    if !world.settings.enqueue_behind_answers {
        return enqueue(world, job).await;
    }
    let (world, job) = (world.clone(), job.clone());
    tokio::spawn(async move { enqueue(&world, &job).await });
}

pub async fn try_enqueue(world: &World, job: &Job) -> Result<()> {
    let now = world.now();
    let schedule = job.dispatch.not_before.filter(|at| !now.has_reached(*at));
    let task = NewTask {
        body: TaskBody { job_id: job.id, uid: job.uid.clone(), dispatch: job.dispatch.number },
        schedule,
        traceparent: job.traceparent.clone(),
    };
    persist(&*world.clock, || world.queue.enqueue(task.clone())).await?;
    tracing::debug!(step = "enqueue", job_id = %job.id, dispatch = job.dispatch.number);
    let command = Command::Enqueued { number: job.dispatch.number, schedule };
    world.step(job.id, &command).await?;
    Ok(())
}

/// Does what a step asks for outside its transaction: tasks for the job and for those whose turn came.
pub async fn follow_up(world: &World, stepped: &Stepped) {
    let Stepped::Done { job, actions, promoted } = stepped else { return };
    if actions.contains(&Action::Enqueue) {
        enqueue(world, job).await;
    }
    for job in promoted {
        enqueue(world, job).await;
    }
}

impl World {
    /// One command, repeated while its answer is lost.
    pub async fn step(&self, id: domain::JobId, command: &Command) -> Result<Stepped> {
        let stepped = persist(&*self.clock, || self.store.step(id, command, self.at())).await?;
        if let Stepped::Done { job, .. } = &stepped {
            counted::stepped(command, job);
        }
        Ok(stepped)
    }

    pub fn at(&self) -> At<'_> {
        At { now: self.now(), rules: &self.settings.rules }
    }
}
