//! The settings of the use cases.

use std::time::Duration;

use domain::Rules;

const MIB: u64 = 1024 * 1024;

/// The most files that are decoded at once: each holds a thread of the blocking pool, which has 512.
pub const MOST_AT_ONCE: usize = 128;

/// The limits of uploads.
#[derive(Clone, Debug, PartialEq)]
pub struct UploadLimits {
    pub max_file_bytes: u64,
    pub max_batch_bytes: u64,
    /// The limits for files of resumable upload sessions.
    pub resumable_max_file_bytes: u64,
    pub resumable_max_batch_bytes: u64,
    pub max_files: usize,
    /// How far ahead of the server's clock a recording may begin.
    pub max_future: Duration,
    /// Recordings older than this are refused; `None` for any age.
    pub recovery_window: Option<Duration>,
    /// A batch of at most this much audio is searched for speech during its upload. Zero turns this off.
    pub inline_audio: Duration,
    /// The longest time that this search may take.
    pub inline_search: Duration,
    /// How long a synchronous upload waits for the end of its job, and how many uploads may wait at once.
    pub synchronous_wait: Duration,
    pub synchronous_waits: usize,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self {
            max_file_bytes: 200 * MIB,
            max_batch_bytes: 256 * MIB,
            resumable_max_file_bytes: 2048 * MIB,
            resumable_max_batch_bytes: 4096 * MIB,
            max_files: 20,
            max_future: Duration::from_secs(300),
            recovery_window: None,
            inline_audio: Duration::from_secs(600),
            inline_search: Duration::from_secs(10),
            synchronous_wait: Duration::from_secs(55),
            synchronous_waits: 64,
        }
    }
}

/// The limits of a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerLimits {
    /// The most deliveries at once on one instance. One more is answered with `backend_busy`.
    pub max_jobs: usize,
    /// The number of recordings that are decoded at once, and of engine calls, over all jobs. 0 stands for as many
    /// recordings as there are cores and as many calls as the engine supports.
    pub parallelism: usize,
    /// A delivery puts its job back after this time.
    pub handler_deadline: Duration,
    /// The shortest time between two placements of one job. It is a second for a store that allows one write a second to a
    /// document, and zero in the embedded one.
    pub place_pace: Duration,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self { max_jobs: 4, parallelism: 0, handler_deadline: Duration::from_secs(1500), place_pace: Duration::ZERO }
    }
}

impl WorkerLimits {
    /// The number of recordings that are decoded at once, over all jobs, and of permits for further files of a job.
    pub fn at_once(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = if self.parallelism == 0 { cores() } else { self.parallelism };
        wanted.clamp(1, MOST_AT_ONCE)
    }

    /// The number of engine calls at once, over all jobs, if the engine supports `takes` calls.
    pub fn calls_at_once(&self, takes: usize) -> usize {
        if self.parallelism == 0 { takes.max(1) } else { self.parallelism.min(takes).max(1) }
    }
}

/// The limits of event streams, each of which holds a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamLimits {
    /// A stream ends after this time; its client reconnects.
    pub max_duration: Duration,
    /// The most streams of a user. One more ends the oldest.
    pub per_user: usize,
    /// The most streams of an instance. A further one ends after it has sent the current state.
    pub total: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { max_duration: Duration::from_secs(300), per_user: 4, total: 256 }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub rules: Rules,
    pub upload: UploadLimits,
    pub worker: WorkerLimits,
    pub streams: StreamLimits,
    /// Whether the task of an accepted job is created after the response. This is only for processes that live on after
    /// it. The job is durably due, so that a crash in between delays it and loses nothing.
    pub enqueue_behind_answers: bool,
    /// The longest segment, if that is shorter than the engine prefers. `None` leaves it to the engine.
    pub max_span: Option<Duration>,
}
