//! The context of a delivery, the work on one claimed job: the job and its fence, the engine, the writer, and the
//! permits of the instance.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Job, Timestamp};
use speech::permits::User;
use speech::{Engine, Permits};
use tokio_util::sync::CancellationToken;

use super::decode_permits::DecodePermits;
use super::engine_calls::EngineCalls;
use super::fenced_writer::FencedWriter;
use super::job_permits::JobPermit;
use crate::first_pass::LatestProgress;
use crate::services::Services;

/// The permits and limits that all deliveries of this instance share.
pub struct InstancePermits {
    /// The number of recordings that are decoded at once.
    pub at_once: usize,
    /// Permits for further files of a job. Each job may work on one file without such a permit.
    pub more_files: Arc<Permits>,
    pub decode_permits: DecodePermits,
    pub shutdown: CancellationToken,
}

impl InstancePermits {
    pub fn new(at_once: usize, shutdown: CancellationToken) -> Self {
        let decode_permits = DecodePermits::with_permits(at_once);
        Self { at_once, more_files: Permits::new(at_once), decode_permits, shutdown }
    }
}

pub struct Delivery<'w> {
    pub services: &'w Services,
    pub instance: &'w InstancePermits,
    /// The job as it was claimed. Later changes of a file are kept by the Tokio task that works on it.
    pub job: Job,
    pub fence: u64,
    /// The job is put back at this time.
    pub ends_at: Timestamp,
    pub calls: EngineCalls<'w>,
    pub writer: FencedWriter<'w>,
    permit: &'w JobPermit<'w>,
    /// When segments were last placed, in milliseconds since 1970.
    placed_at: AtomicI64,
    /// How far each file has come, for checkpoints if the delivery ends early.
    latest: Mutex<BTreeMap<usize, LatestProgress>>,
    /// Cancelled when the job yields its permit to another user. Then no further work is begun; pending answers are stored.
    yielding: CancellationToken,
}

impl<'w> Delivery<'w> {
    pub fn new(
        services: &'w Services,
        instance: &'w InstancePermits,
        engine: Arc<dyn Engine>,
        job: Job,
        permit: &'w JobPermit<'w>,
        ends_at: Timestamp,
    ) -> Self {
        let fence = job.lease.fence;
        Self {
            services,
            instance,
            calls: EngineCalls::new(services, engine, job.id, ends_at),
            writer: FencedWriter::new(services, job.id, fence),
            permit,
            fence,
            ends_at,
            job,
            placed_at: AtomicI64::new(i64::MIN),
            latest: Mutex::default(),
            yielding: CancellationToken::new(),
        }
    }

    pub fn user(&self) -> &User {
        self.permit.user()
    }

    /// Whether the job has to yield its permit to another user, or has begun to.
    pub fn must_yield(&self) -> bool {
        if !self.yielding.is_cancelled() && self.permit.must_yield(self.services.now()) {
            self.yielding.cancel();
        }
        self.is_yielding()
    }

    pub fn is_yielding(&self) -> bool {
        self.yielding.is_cancelled()
    }

    /// Where the threads of this file record how far they have come.
    pub fn latest(&self, index: usize) -> LatestProgress {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.entry(index).or_default().clone()
    }

    /// Takes the recorded progress of every file.
    pub fn take_latest(&self) -> BTreeMap<usize, LatestProgress> {
        std::mem::take(&mut *self.latest.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn note_placed(&self) {
        self.placed_at.store(self.services.now().millis(), Ordering::Relaxed);
    }

    /// Whether enough time has passed since segments were placed.
    pub fn is_time_to_place(&self) -> bool {
        let pace = self.services.settings.worker.place_pace;
        let placed_at = Timestamp::from_millis(self.placed_at.load(Ordering::Relaxed));
        pace.is_zero() || self.services.now().has_reached(placed_at + pace)
    }
}
