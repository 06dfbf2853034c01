//! The worker: processes a delivered task until its job is finished or put back.

use std::sync::Arc;
use std::time::Duration;

use domain::job::{DispatchState, WaitingFor};
use domain::transition::wait_for_a_service;
use domain::{Code, Command, Explanation, Job, PutBack, Refusal, Status, Timestamp};
use speech::permits::User;
use speech::{AnsweredPieces, Bounded, Engine, Permits, RetryClass, SplittingEngine};
use tokio_util::sync::CancellationToken;

use super::call_length::BoundedLength;
use super::checkpoints::keep_checkpoints;
use super::delivery::{Delivery, InstancePermits};
use super::explain;
use super::hourly_log::Reminders;
use super::job_permits::{JobPermit, JobPermits};
use super::metered::Metered;
use super::outcome::{self, DeliveryEnd};
use super::run::run;
use super::{Outcome, Skip};
use crate::circuit::CircuitState;
use crate::dispatch::follow_up;
use crate::effects;
use crate::error::{Error, Kind, Result};
use crate::metrics;
use crate::ports::{Stepped, TaskBody};
use crate::retry::with_retries;
use crate::services::Services;

/// How far the queue's clock may be ahead of ours.
const EARLY: Duration = Duration::from_secs(2);

/// Processes delivered tasks, at most `process.max_jobs` at once.
pub struct Worker {
    services: Services,
    engine: Arc<dyn Engine>,
    /// Permits for engine calls, shared by all jobs on this instance.
    calls: Arc<Permits>,
    /// Parts of segments that failed as a whole, so that no part is transcribed twice.
    answered: Arc<AnsweredPieces>,
    job_permits: JobPermits,
    instance: InstancePermits,
    reminders: Reminders,
}

impl Worker {
    /// Wraps the engine so that its calls are counted.
    pub fn new(services: Services, engine: Arc<dyn Engine>, shutdown: CancellationToken) -> Self {
        let limits = &services.settings.worker;
        let calls = Permits::new(limits.calls_at_once(engine.capabilities().concurrency));
        Self {
            engine: Arc::new(Metered::around(engine, Arc::clone(&services.clock))),
            calls,
            answered: Arc::default(),
            job_permits: JobPermits::new(limits.max_jobs),
            instance: InstancePermits::new(limits.at_once(), shutdown),
            reminders: Reminders::default(),
            services,
        }
    }

    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// The engine for the calls of one user in a delivery of this length: it limits them together with those of other
    /// users, and cuts audio that is too long.
    fn engine_for(&self, user: &User, time: Duration) -> Arc<dyn Engine> {
        let usual = self.services.settings.worker.handler_deadline;
        let bounded = Bounded::around(Arc::clone(&self.engine), Arc::clone(&self.calls), Arc::clone(user));
        let bounded = BoundedLength::around(Arc::new(bounded), usual, time);
        Arc::new(SplittingEngine::around(Arc::new(bounded), Arc::clone(&self.answered)))
    }

    /// Whether the engine is set up and started.
    pub async fn ready(&self) -> Result<()> {
        let not_ready = |error| Error::new(Kind::Unavailable, "engine.ready", "").because(error);
        self.engine.ready().await.map_err(not_ready)
    }

    /// Decides whether a function that only processes is ready: it is not while the circuit is open, because it could only
    /// put jobs back. When the pause is over it is ready again, so that it gets the job that probes the engine.
    pub fn may_call_engine(&self) -> Result<()> {
        self.circuit_is_not(&[CircuitState::Open])
    }

    /// Decides whether a server that also takes uploads says that it is degraded: it does from the opening of the circuit
    /// until the engine has answered, also while one job probes it. It is ready all the same.
    pub fn engine_answers(&self) -> Result<()> {
        self.circuit_is_not(&[CircuitState::Open, CircuitState::HalfOpen])
    }

    fn circuit_is_not(&self, states: &[CircuitState]) -> Result<()> {
        let circuit = &self.services.instance.circuit;
        if !states.contains(&circuit.state_at(self.services.now())) {
            return Ok(());
        }
        let why = circuit.why();
        let why = why.as_ref().map_or("it failed several times", Explanation::for_operator);
        Err(Error::new(Kind::Unavailable, "engine.circuit", "").because(why))
    }

    /// The number of engine calls that wait for a permit.
    pub fn calls_waiting(&self) -> usize {
        self.calls.waiting()
    }

    /// Updates the metrics of engine calls and decoded audio.
    pub fn update_call_metrics(&self) {
        metrics::decoded(audio::decoded_ms() / 1_000);
        metrics::engine_calls(self.calls.in_use(), self.calls.waiting());
    }

    /// Processes a task until its job is finished, put back, or lost to another worker. `Err` means that not even the
    /// put-back could be stored.
    pub async fn run(&self, task: &TaskBody) -> Result<Outcome> {
        self.run_within(task, self.services.settings.worker.handler_deadline).await
    }

    /// Like [`run`](Self::run), if the host leaves this much time for it: then the job is put back, with its progress.
    pub async fn run_within(&self, task: &TaskBody, time: Duration) -> Result<Outcome> {
        let services = &self.services;
        let ends_at = services.now() + time.min(services.settings.worker.handler_deadline);
        let Some(job) = with_retries(&*services.clock, || services.store.job(task.job_id)).await? else {
            return Ok(Outcome::Skipped(Skip::JobNotFound));
        };
        if job.uid != task.uid {
            tracing::error!(
                job_id = %job.id,
                remedy = "nothing was done for it; replace tasks.secret, because somebody else may know it",
                "a task names a user who does not own its job"
            );
            return Ok(Outcome::OwnerMismatch);
        }
        if job.status.is_terminal() {
            return Ok(self.skip_finished(&job).await);
        }
        if let Some(until) = job.held_after(services.now(), &services.settings.rules) {
            return Ok(Outcome::LeaseHeld { until });
        }
        if !self.is_on_time(&job, task).await {
            return Ok(Outcome::Rescheduled { due_at: job.due_at });
        }
        let user = User::from(job.uid.as_str());
        let Some(permit) = self.job_permits.enter(&user, services.now(), |wait| self.wait(wait)).await else {
            return Ok(Outcome::Busy);
        };
        self.claim_with_slot(job, &permit, ends_at).await
    }

    /// Whether the wake-up is on time. It may be outdated: a job that got in line for a slot since gets another wake-up
    /// with its slot, and a parked job gets one at the end of its wait. If the wake-up of a parked job is slightly
    /// early, by the clock of the queue, this waits until it is time.
    async fn is_on_time(&self, job: &Job, task: &TaskBody) -> bool {
        let early = job.due_at.map_or(Duration::ZERO, |due| self.services.now().until(due));
        if job.is_parked() && early <= EARLY && !early.is_zero() {
            self.wait(early).await;
            return !self.instance.shutdown.is_cancelled();
        }
        let got_in_line_since = job.waits_for_slot() && task.dispatch != job.dispatch.number;
        !(got_in_line_since || job.is_parked() && early > EARLY)
    }

    /// Waits until the time has passed or the process shuts down.
    async fn wait(&self, wait: Duration) {
        tokio::select! {
            () = self.services.clock.sleep(wait) => {}
            () = self.instance.shutdown.cancelled() => {}
        }
    }

    /// Claims the job, after asking the circuit, and after taking a slot if the job was parked.
    async fn claim_with_slot(&self, job: Job, permit: &JobPermit<'_>, ends_at: Timestamp) -> Result<Outcome> {
        let services = &self.services;
        if job.status != Status::Queued {
            return self.claim(&job, permit, ends_at).await;
        }
        let _entered = match services.instance.circuit.enter(services.now()) {
            Ok(entered) => entered,
            Err(until) => return self.postpone(&job, until).await,
        };
        if !job.is_parked() {
            return self.claim(&job, permit, ends_at).await;
        }
        match services.step(job.id, &Command::TakeSlot).await? {
            // This delivery itself works on the job, so that no task is created. After a crash the sweep creates one.
            Stepped::Done { job, .. } if job.dispatch.state == DispatchState::Pending => {
                self.claim(&job, permit, ends_at).await
            }
            other => self.finish_step(other).await,
        }
    }

    async fn skip_finished(&self, job: &Job) -> Outcome {
        if effects::due(job, self.services.now()) {
            effects::run(&self.services, job).await;
        }
        Outcome::Skipped(if job.status == Status::Cancelled { Skip::Cancelled } else { Skip::AlreadyFinished })
    }

    /// Postpones a job that the circuit does not let through. The longer it has waited, the longer it waits, so that a long
    /// outage costs few writes.
    async fn postpone(&self, job: &Job, until: Timestamp) -> Result<Outcome> {
        let (now, rules) = (self.services.now(), &self.services.settings.rules);
        let until = until.max(now + wait_for_a_service(job, self.services.random.unit(), now, rules));
        let explanation = self.services.instance.circuit.why();
        let command = Command::Postpone { until, waiting_for: WaitingFor::Engine, explanation };
        let stepped = self.services.step(job.id, &command).await?;
        self.finish_step(stepped).await
    }

    async fn claim(&self, job: &Job, permit: &JobPermit<'_>, ends_at: Timestamp) -> Result<Outcome> {
        let owner = self.services.random.nonce();
        let stepped = self.services.step(job.id, &Command::Claim { owner }).await?;
        match stepped {
            Stepped::Done { job, .. } if job.status == Status::Processing => {
                metrics::attempt();
                tracing::debug!(step = "claim", job_id = %job.id, fence = job.lease.fence, attempt = job.attempt);
                self.deliver(job, permit, ends_at).await
            }
            other => self.finish_step(other).await,
        }
    }

    async fn deliver(&self, job: Job, permit: &JobPermit<'_>, ends_at: Timestamp) -> Result<Outcome> {
        let engine = self.engine_for(permit.user(), self.services.now().until(ends_at));
        let delivery = Delivery::new(&self.services, &self.instance, engine, job, permit, ends_at);
        let (end, job, fence) = (run(&delivery).await, &delivery.job, delivery.fence);
        let command = match end {
            DeliveryEnd::Finished => Command::Finish { fence },
            DeliveryEnd::Lost(why) => return self.lost(job, why).await,
            DeliveryEnd::PutBack { cause, explanation } => {
                keep_checkpoints(&delivery).await;
                let explanation = explanation.or_else(|| engine_failure(&cause, &delivery));
                if let PutBack::Engine { retry_after } = cause {
                    self.break_circuit(retry_after, explanation.clone()).await;
                }
                self.put_back(fence, cause, explanation)
            }
            DeliveryEnd::Language { wanted } => {
                keep_checkpoints(&delivery).await;
                self.remind_of_language(job, &wanted);
                let explanation = explain::unsupported_language(&wanted, self.engine.name());
                self.put_back(fence, PutBack::Language, Some(explanation))
            }
            DeliveryEnd::Fault(error) => {
                keep_checkpoints(&delivery).await;
                tracing::warn!(job_id = %job.id, %error, "a fault ended a delivery");
                self.put_back(fence, outcome::cause(&error), Some(explain::port_error(&error)))
            }
        };
        let stepped = self.services.step(job.id, &command).await?;
        self.finish_step(stepped).await
    }

    fn put_back(&self, fence: u64, cause: PutBack, explanation: Option<Explanation>) -> Command {
        Command::PutBack { fence, cause, jitter: self.services.random.unit(), explanation }
    }

    /// Counts a failure for the circuit, unless the engine is just starting up: then it may be called as soon as it is
    /// ready.
    async fn break_circuit(&self, retry_after: Option<Duration>, why: Option<Explanation>) {
        let getting_ready = self.engine.ready().await.is_err_and(|error| error.retry != RetryClass::Misconfigured);
        if !getting_ready {
            self.services.instance.circuit.failed(self.services.now(), retry_after, why);
        }
    }

    /// Logs that the engine does not support the job's language. Engine and audio are fine, but an operator has to act.
    fn remind_of_language(&self, job: &Job, language: &str) {
        if self.reminders.is_time(job.id, self.services.now()) {
            let engine = self.engine.name();
            tracing::error!(
                job_id = %job.id, language, engine,
                remedy = "set up an engine for this language in [engine] and start again, or cancel the job",
                "the speech engine does not speak a recording's language; its job waits for one that does"
            );
        }
    }

    /// Stops after another worker took the job or the job ended: nothing more is written, pushed or deleted.
    async fn lost(&self, job: &Job, why: Refusal) -> Result<Outcome> {
        tracing::info!(job_id = %job.id, fence = job.lease.fence, %why, "a worker lost its job and stopped");
        let now = with_retries(&*self.services.clock, || self.services.store.job(job.id)).await?;
        Ok(match now {
            None => Outcome::Skipped(Skip::JobNotFound),
            Some(now) if now.status == Status::Cancelled => Outcome::Skipped(Skip::Cancelled),
            Some(now) if now.status.is_terminal() => Outcome::Skipped(Skip::AlreadyFinished),
            Some(now) => Outcome::Rescheduled { due_at: now.due_at },
        })
    }

    /// Performs the actions of a step, and returns the outcome of the delivery.
    async fn finish_step(&self, stepped: Stepped) -> Result<Outcome> {
        follow_up(&self.services, &stepped).await;
        Ok(match stepped {
            Stepped::NoSuchJob => Outcome::Skipped(Skip::JobNotFound),
            Stepped::Refused { why: Refusal::LeaseHeld { until }, .. } => Outcome::LeaseHeld { until },
            Stepped::Refused { job, .. } if job.status.is_terminal() => self.skip_finished(&job).await,
            Stepped::Refused { job, .. } => Outcome::Rescheduled { due_at: job.due_at },
            Stepped::Done { job, .. } if job.status.is_terminal() => {
                tracing::debug!(step = "finish", job_id = %job.id, status = job.status.as_str());
                effects::run(&self.services, &job).await;
                Outcome::Done(job.status)
            }
            Stepped::Done { job, .. } => {
                tracing::debug!(step = "put_back", job_id = %job.id, due_at = ?job.due_at, waiting_for = ?job.waiting_for);
                Outcome::Rescheduled { due_at: job.due_at }
            }
        })
    }
}

/// Why the engine failed, if that is what puts the job back.
fn engine_failure(cause: &PutBack, delivery: &Delivery<'_>) -> Option<Explanation> {
    let by_engine = matches!(cause, PutBack::Engine { .. } | PutBack::Fault { code: Code::TranscriptionFailed, .. });
    by_engine.then(|| delivery.calls.explanation()).flatten()
}
