//! Processing a job: from a delivered task to a finished job, or back to the queue with its progress kept.

mod delivery;
mod listen;
mod segments;
mod stop;
mod transcribe;

use std::sync::Arc;

use domain::job::WaitingFor;
use domain::{Command, Job, PutBack, Refusal, Status, Timestamp};
use speech::Engine;
use tokio::sync::{Semaphore, TryAcquireError};
use tokio_util::sync::CancellationToken;

use crate::circuit::Circuit;
use crate::counted;
use crate::dispatch::follow_up;
use crate::effects;
use crate::error::Result;
use crate::persist::persist;
use crate::ports::{Stepped, TaskBody};
use crate::world::World;
use delivery::Delivery;
use stop::Stop;

/// What a delivery came to. The job's document says what is next in every case but the last three.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Done(Status),
    Rescheduled {
        due_at: Option<Timestamp>,
    },
    Skipped(Skip),
    OwnerMismatch,
    LeaseHeld {
        until: Timestamp,
    },
    /// This instance is saturated; nothing was touched.
    Busy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    JobNotFound,
    AlreadyFinished,
    Cancelled,
}

/// Works on delivered tasks, as many at once as `process.max_jobs` allows.
pub struct Worker {
    world: World,
    engine: Arc<dyn Engine>,
    circuit: Circuit,
    places: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Worker {
    pub fn new(world: World, engine: Arc<dyn Engine>, shutdown: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(world.settings.worker.max_jobs));
        Self { world, engine, circuit: Circuit::default(), places, shutdown }
    }

    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Works on a task until its job is finished, put back, or lost to another worker. `Err`: not even the put-back
    /// could be recorded.
    pub async fn run(&self, task: &TaskBody) -> Result<Outcome> {
        let world = &self.world;
        let Some(job) = persist(&*world.clock, || world.store.job(task.job_id)).await? else {
            return Ok(Outcome::Skipped(Skip::JobNotFound));
        };
        if job.uid != task.uid {
            tracing::error!(job_id = %job.id, "a task names a user who does not own its job");
            return Ok(Outcome::OwnerMismatch);
        }
        if job.status.is_terminal() {
            return Ok(self.already_over(&job).await);
        }
        if job.lease_is_live(world.now()) {
            return Ok(Outcome::LeaseHeld { until: job.lease.until.unwrap_or(world.now()) });
        }
        let _place = match self.places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => return Ok(Outcome::Busy),
        };
        if let (Some(until), Status::Queued) = (self.circuit.open_until(world.now()), job.status) {
            return self.postpone(&job, until).await;
        }
        self.claim(&job).await
    }

    async fn already_over(&self, job: &Job) -> Outcome {
        if effects::due(job, self.world.now()) {
            effects::run(&self.world, job).await;
        }
        Outcome::Skipped(if job.status == Status::Cancelled { Skip::Cancelled } else { Skip::AlreadyFinished })
    }

    async fn postpone(&self, job: &Job, until: Timestamp) -> Result<Outcome> {
        let command = Command::Postpone { until, waiting_for: WaitingFor::Engine };
        let stepped = self.world.step(job.id, &command).await?;
        self.settle(stepped).await
    }

    async fn claim(&self, job: &Job) -> Result<Outcome> {
        let owner = self.world.random.nonce();
        let stepped = self.world.step(job.id, &Command::Claim { owner }).await?;
        match stepped {
            Stepped::Done { job, .. } if job.status == Status::Processing => {
                counted::attempt();
                tracing::debug!(step = "claim", job_id = %job.id, fence = job.lease.fence, attempt = job.attempt);
                self.deliver(job).await
            }
            other => self.settle(other).await,
        }
    }

    async fn deliver(&self, job: Job) -> Result<Outcome> {
        let delivery = Delivery::new(&self.world, &self.engine, &self.circuit, &job);
        let stop = delivery.run(job.clone(), &self.shutdown).await;
        let fence = job.lease.fence;
        let command = match stop {
            Stop::Finished => Command::Finish { fence },
            Stop::Lost(why) => return self.lost(&job, why).await,
            Stop::PutBack(cause) => self.put_back(fence, cause),
            Stop::Fault(error) | Stop::File(error) => {
                tracing::warn!(job_id = %job.id, %error, "a fault ended a delivery");
                let cause = PutBack::Fault { code: domain::Code::Internal, retry_after: error.retry_after };
                self.put_back(fence, cause)
            }
        };
        let stepped = self.world.step(job.id, &command).await?;
        self.settle(stepped).await
    }

    fn put_back(&self, fence: u64, cause: PutBack) -> Command {
        if let PutBack::Engine { retry_after } = cause {
            self.circuit.failed(self.world.now(), retry_after);
        }
        Command::PutBack { fence, cause, jitter: self.world.random.unit() }
    }

    /// Another worker has the job, or it ended under this one: nothing more is written, pushed or deleted.
    async fn lost(&self, job: &Job, why: Refusal) -> Result<Outcome> {
        tracing::info!(job_id = %job.id, fence = job.lease.fence, %why, "a worker lost its job and stopped");
        let now = persist(&*self.world.clock, || self.world.store.job(job.id)).await?;
        Ok(match now {
            None => Outcome::Skipped(Skip::JobNotFound),
            Some(now) if now.status == Status::Cancelled => Outcome::Skipped(Skip::Cancelled),
            Some(now) if now.status.is_terminal() => Outcome::Skipped(Skip::AlreadyFinished),
            Some(now) => Outcome::Rescheduled { due_at: now.due_at },
        })
    }

    /// Does what a step asks for, and says what it came to.
    async fn settle(&self, stepped: Stepped) -> Result<Outcome> {
        follow_up(&self.world, &stepped).await;
        Ok(match stepped {
            Stepped::NoSuchJob => Outcome::Skipped(Skip::JobNotFound),
            Stepped::Refused { why: Refusal::LeaseHeld { until }, .. } => Outcome::LeaseHeld { until },
            Stepped::Refused { job, .. } if job.status.is_terminal() => self.already_over(&job).await,
            Stepped::Refused { job, .. } => Outcome::Rescheduled { due_at: job.due_at },
            Stepped::Done { job, .. } if job.status.is_terminal() => {
                tracing::debug!(step = "finish", job_id = %job.id, status = job.status.as_str());
                effects::run(&self.world, &job).await;
                Outcome::Done(job.status)
            }
            Stepped::Done { job, .. } => {
                tracing::debug!(step = "put_back", job_id = %job.id, due_at = ?job.due_at, waiting_for = ?job.waiting_for);
                Outcome::Rescheduled { due_at: job.due_at }
            }
        })
    }
}
