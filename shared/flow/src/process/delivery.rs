//! One claimed delivery: some of its files at a time, while the lease is kept alive and the clock is watched.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use domain::{Command, Job, PutBack, Timestamp};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use speech::Engine;
use speech::permits::User;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use super::Worker;
use super::engine_probe::EngineProbe;
use super::job_permits::JobPermit;
use super::outcome::{DeliveryEnd, FileError, FileErrors, unfenced};
use crate::error::{self, Kind};
use crate::first_pass::LatestProgress;
use crate::ports::{Stepped, Written};
use crate::retry::with_retries;
use crate::services::Services;

pub struct Delivery<'w> {
    pub worker: &'w Worker,
    pub services: &'w Services,
    /// For the calls of the job's user.
    pub engine: Arc<dyn Engine>,
    place: &'w JobPermit<'w>,
    /// As it was claimed. What the files have come to since, each knows of itself.
    pub job: Job,
    pub fence: u64,
    /// When the lease was last extended by a write, in milliseconds.
    last_write: AtomicI64,
    /// Held by the file that writes: of one job one transaction at a time.
    writing: Mutex<()>,
    /// When segments were placed last, in milliseconds.
    pub placed_at: AtomicI64,
    /// Engine calls of this delivery that were answered.
    pub calls_answered: AtomicU32,
    /// How far each file has come, for when the delivery ends before it does.
    pub latest: std::sync::Mutex<BTreeMap<usize, LatestProgress>>,
    pub engine_probe: EngineProbe,
    /// Cancelled when the engine does not answer: from then on it is not asked any more.
    pub engine_is_down: CancellationToken,
    /// Cancelled when the job gives its place to another user: nothing more is begun, what was asked for is stored.
    pub giving_way: CancellationToken,
}

impl<'w> Delivery<'w> {
    pub fn new(worker: &'w Worker, job: Job, place: &'w JobPermit<'w>) -> Self {
        let services = &worker.services;
        Self {
            worker,
            services,
            engine: worker.engine_for(place.user()),
            place,
            fence: job.lease.fence,
            job,
            last_write: AtomicI64::new(services.now().millis()),
            writing: Mutex::default(),
            placed_at: AtomicI64::new(i64::MIN),
            calls_answered: AtomicU32::new(0),
            latest: std::sync::Mutex::default(),
            engine_probe: EngineProbe::default(),
            engine_is_down: CancellationToken::new(),
            giving_way: CancellationToken::new(),
        }
    }

    /// Works until everything is settled or something ends the delivery. Whatever is running is dropped then.
    pub async fn run(&self) -> DeliveryEnd {
        let deadline = self.services.settings.worker.handler_deadline;
        tokio::select! {
            biased;
            () = self.worker.shutdown.cancelled() => DeliveryEnd::PutBack(PutBack::Shutdown),
            end = self.keep_lease() => end,
            () = self.services.clock.sleep(deadline) => DeliveryEnd::PutBack(PutBack::Deadline),
            end = self.work() => end,
        }
    }

    /// One file's trouble does not keep the others from their end: it is told when they have come to theirs.
    async fn work(&self) -> DeliveryEnd {
        let own = Semaphore::new(1);
        let is_open = |index: &usize| !self.job.files[*index].status.is_settled();
        let mut open: VecDeque<usize> = (0..self.job.files.len()).filter(is_open).collect();
        let (mut running, mut errors) = (FuturesUnordered::new(), FileErrors::default());
        loop {
            while running.len() <= self.worker.at_once
                && let Some(index) = open.pop_front()
            {
                running.push(self.file_in_place(index, &own));
            }
            match running.next().await {
                None => return errors.end(self.any_answered()),
                Some((_, Ok(()))) => {}
                Some((index, Err(error))) => {
                    self.tell(index, &error);
                    if let Some(ends) = errors.add(index, error) {
                        return ends;
                    }
                }
            }
        }
    }

    /// Every delivery has a place for one file of its own; for more they queue with those of other jobs.
    async fn file_in_place(&self, index: usize, own: &Semaphore) -> (usize, Result<(), FileError>) {
        let _place = tokio::select! {
            biased;
            place = own.acquire() => (place.ok(), None),
            place = self.worker.more_files.acquire(self.user()) => (None, Some(place)),
        };
        // What is not begun is left to the next delivery, and what found the engine down puts the job back.
        let ended = if self.engine_is_down.is_cancelled() {
            Ok(())
        } else if self.gives_way() {
            Err(FileError::ForOthers)
        } else {
            self.file(index).await
        };
        (index, ended)
    }

    pub fn user(&self) -> &User {
        self.place.user()
    }

    /// Whether the job is to give its place to another user, now or before.
    pub fn gives_way(&self) -> bool {
        if !self.giving_way.is_cancelled() && self.place.gives_way(self.services.now()) {
            self.giving_way.cancel();
        }
        self.giving_way.is_cancelled()
    }

    fn tell(&self, index: usize, error: &FileError) {
        match error {
            FileError::File(error) if error.kind == Kind::Misconfigured => {
                tracing::error!(job_id = %self.job.id, file = index, %error, "a file cannot be read until a person mends it");
            }
            FileError::File(error) => {
                tracing::warn!(job_id = %self.job.id, file = index, %error, "a file cannot be read now");
            }
            FileError::Engine { .. } => self.engine_is_down.cancel(),
            _ => {}
        }
    }

    /// Renews the lease when a third of it has passed without a write. Ends only when the job is lost.
    async fn keep_lease(&self) -> DeliveryEnd {
        let every = self.services.settings.rules.renew_after;
        loop {
            let (last, now) = (Timestamp::from_millis(self.last_write.load(Ordering::Relaxed)), self.services.now());
            let idle = last.until(now);
            // A last write in the future was made by a clock that has come back since.
            if idle < every && last <= now {
                self.services.clock.sleep((every - idle).max(Duration::from_millis(1))).await;
                continue;
            }
            match self.services.step(self.job.id, &Command::Renew { fence: self.fence }).await.map(written) {
                Ok(Written::Done(_)) => self.wrote(),
                Ok(Written::Fenced(why)) => return DeliveryEnd::Lost(why),
                // The lease may run out: then another worker goes on, and this one is fenced at its next write.
                Err(error) => {
                    tracing::warn!(job_id = %self.job.id, %error, "the lease could not be renewed");
                    self.services.clock.sleep(every.min(Duration::from_secs(1))).await;
                }
            }
        }
    }

    fn wrote(&self) {
        self.last_write.store(self.services.now().millis(), Ordering::Relaxed);
    }

    /// A write under the fence, after those of the other files: they would only stand in each other's way.
    pub async fn write<T, F>(&self, operation: impl FnMut() -> F) -> Result<T, FileError>
    where
        F: Future<Output = error::Result<Written<T>>>,
    {
        let _alone = self.writing.lock().await;
        let done = unfenced(with_retries(&*self.services.clock, operation).await?)?;
        self.wrote();
        Ok(done)
    }

    /// Settles a file that cannot be worked on.
    pub async fn fail_file(&self, index: usize, failure: domain::Failure) -> Result<Job, FileError> {
        tracing::info!(job_id = %self.job.id, file = index, code = %failure.code, "a file failed");
        self.command(&Command::FailFile { fence: self.fence, index, failure }).await
    }

    /// A worker's command, after the writes of the other files.
    pub async fn command(&self, command: &Command) -> Result<Job, FileError> {
        let _alone = self.writing.lock().await;
        let job = unfenced(written(self.services.step(self.job.id, command).await?))?;
        self.wrote();
        Ok(job)
    }
}

/// A worker's command as a worker's write. A job that is gone has nobody's fence.
fn written(stepped: Stepped) -> Written<Job> {
    match stepped {
        Stepped::Done { job, .. } => Written::Done(job),
        Stepped::Refused { why, .. } => Written::Fenced(why),
        Stepped::NoSuchJob => Written::Fenced(domain::Refusal::Fenced { fence: 0 }),
    }
}
