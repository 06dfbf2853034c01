//! What the use cases are configured by.

use std::time::Duration;

use domain::Rules;

const MIB: u64 = 1024 * 1024;

/// Each file holds a thread of the blocking pool, which has 512.
pub const MOST_AT_ONCE: usize = 128;

/// What an upload may hold.
#[derive(Clone, Debug, PartialEq)]
pub struct UploadLimits {
    pub max_file_bytes: u64,
    pub max_batch_bytes: u64,
    /// The same for files that come in a session of their own, and may go on where they broke off.
    pub resumable_max_file_bytes: u64,
    pub resumable_max_batch_bytes: u64,
    pub max_files: usize,
    /// How far ahead of the server's clock a recording may begin.
    pub max_future: Duration,
    /// Recordings older than this are refused; `None`: any age.
    pub recovery_window: Option<Duration>,
    /// A batch of at most so much audio may be searched for speech at the door; zero: none is.
    pub inline_audio: Duration,
    /// …and no longer than this.
    pub inline_search: Duration,
    /// How long a synchronous upload waits for its end, and how many do so at once.
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

/// How a worker works.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerLimits {
    /// Deliveries at once in one instance; one more is answered `backend_busy`.
    pub max_jobs: usize,
    /// Over all jobs: recordings that are decoded at once, and calls of the engine. 0: as many as there are cores, and
    /// as many calls as the engine takes.
    pub parallelism: usize,
    /// A delivery puts its job back when this has passed.
    pub handler_deadline: Duration,
    /// Placements of one job are at least this far apart while more is to come. A second where a store takes one write
    /// a second to a document; nothing embedded.
    pub place_pace: Duration,
}

impl Default for WorkerLimits {
    fn default() -> Self {
        Self { max_jobs: 4, parallelism: 0, handler_deadline: Duration::from_secs(1500), place_pace: Duration::ZERO }
    }
}

impl WorkerLimits {
    /// Recordings that are decoded at once, over all jobs; and files that are worked on beyond one of each job.
    pub fn at_once(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let wanted = if self.parallelism == 0 { cores() } else { self.parallelism };
        wanted.clamp(1, MOST_AT_ONCE)
    }

    /// Calls at once, over all jobs, of an engine that takes so many.
    pub fn calls_at_once(&self, takes: usize) -> usize {
        if self.parallelism == 0 { takes.max(1) } else { self.parallelism.min(takes).max(1) }
    }
}

/// Streams of events, each of which holds a connection.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamLimits {
    /// A stream ends after this; its client comes back.
    pub lasts: Duration,
    /// Of one user; of more the oldest ends.
    pub per_user: usize,
    /// Of one instance; beyond it a stream ends when it has told what is known.
    pub in_all: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { lasts: Duration::from_secs(300), per_user: 4, in_all: 256 }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub rules: Rules,
    pub upload: UploadLimits,
    pub worker: WorkerLimits,
    pub streams: StreamLimits,
    /// The task of an accepted job is made behind the answer. Only where the process lives on after it: a job is durably
    /// due, so that a crash in between delays it and loses nothing.
    pub enqueue_behind_answers: bool,
    /// How long a segment may span: what the engine prefers, at most. `None`: the engine decides.
    pub max_span: Option<Duration>,
}
