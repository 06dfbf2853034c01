//! The commands that change a job. Every writer uses them, and nothing else.

use std::time::Duration;

use crate::code::Code;
use crate::failure::Failure;
use crate::id::Nonce;
use crate::job::{Status, WaitingFor};
use crate::session::UploadUrl;
use crate::time::Timestamp;
use crate::wait_reason::Explanation;

/// Why a delivery ends before its job does.
#[derive(Clone, Debug, PartialEq)]
pub enum PutBack {
    /// The worker failed, or the bytes of a file, or single engine calls. If this was the last attempt, the files that are
    /// still open fail with `code`.
    Fault { code: Code, retry_after: Option<Duration> },
    /// The storage of audio or jobs does not answer, is too busy or is configured wrongly. No job is to blame for it.
    Storage { retry_after: Option<Duration> },
    /// The time that the task handler may take is nearly over.
    Deadline,
    /// The process is shutting down.
    Shutdown,
    /// No engine call of this delivery succeeded.
    Engine { retry_after: Option<Duration> },
    /// The engine answers but does not support the language of the remaining segments. Other jobs of the user go on.
    Language,
    /// Another user is waiting for the job permit that this delivery holds.
    YieldToOthers,
    /// The daily budget is used up.
    Budget { until: Timestamp },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A task with this dispatch number was created, or exists already. It runs at `schedule`, or at once.
    Enqueued {
        number: u32,
        schedule: Option<Timestamp>,
    },
    /// The queue no longer has a task with this dispatch number.
    TaskGone {
        number: u32,
    },
    /// A slot of the user is free, and this waiting job gets it.
    Promote,
    /// What the job waited for may be available again: it takes a free slot of its user, or waits in line for one.
    TakeSlot,
    /// The job was written while a clock ran ahead and is due later than any rule allows: make it due now.
    CorrectClock,
    /// The job is not to wait any longer: its next retry, or the effects of its end, become due now.
    Wake,
    Claim {
        owner: Nonce,
    },
    Renew {
        fence: u64,
    },
    /// The staged bytes of a file were read completely and match the announced digest.
    FileVerified {
        fence: u64,
        index: usize,
    },
    /// A file cannot be processed at all: its bytes are gone, differ from the digest, or are no audio.
    FailFile {
        fence: u64,
        index: usize,
        failure: Failure,
    },
    PutBack {
        fence: u64,
        cause: PutBack,
        jitter: f64,
        explanation: Option<Explanation>,
    },
    /// The circuit is open, so that a queued job waits without being claimed.
    Postpone {
        until: Timestamp,
        waiting_for: WaitingFor,
        explanation: Option<Explanation>,
    },
    Finish {
        fence: u64,
    },
    PushDone {
        fence: u64,
    },
    PushLater {
        fence: u64,
        at: Timestamp,
    },
    /// The staged blobs of the job are about to be deleted.
    AudioGone {
        fence: u64,
    },
    CleanedUp {
        fence: u64,
    },
    /// The lease has expired, and so has the margin after it, and no worker claimed the job: it returns to the queue, with a
    /// new fence that stops the lost worker.
    Recover,
    /// The process that claimed the job is known to be dead, although its lease may still run: the caller has just started
    /// and exclusively holds what a worker needs. `fence` is that of the dead worker's claim; a later claim is not
    /// affected.
    WorkerGone {
        fence: u64,
    },
    /// The job waited too long for its slot and is given up.
    GiveUpWaiting,
    Cancel,
    Retry {
        key: Nonce,
    },
    /// The upload addresses of these files. A file that has an address already keeps it.
    UploadsStarted {
        urls: Vec<(usize, UploadUrl)>,
    },
    /// The upload session was not completed in time.
    ExpireUpload,
    /// The retention is over, and the job is deleted.
    Expire,
}

impl Command {
    /// Whether the outcome depends on a free slot of the user.
    pub fn needs_slot(&self) -> bool {
        matches!(self, Command::Retry { .. } | Command::TakeSlot)
    }
}

/// What the caller has to do after a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Create the task of the job's current dispatch number.
    Enqueue,
    /// In the same transaction: give free slots to the user's next waiting jobs.
    PromoteNext,
    /// Run the job's effects, which are due now.
    RunEffects,
    /// In the same transaction: delete the job.
    Forget,
}

/// Why a command does not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("another worker holds the job (fence {fence})")]
    Fenced { fence: u64 },
    #[error("the job is {}", .0.as_str())]
    Finished(Status),
    #[error("another worker holds the job until {until}")]
    LeaseHeld { until: Timestamp },
    #[error("the job is {}, not queued", .0.as_str())]
    NotQueued(Status),
    #[error("the job is {}, not uploading", .0.as_str())]
    NotUploading(Status),
    #[error("the job was dispatched again since (number {number})")]
    Redispatched { number: u32 },
    #[error("{0}")]
    NotRetryable(&'static str),
    #[error("it is not time for that yet")]
    NotDue,
    #[error("files of the job are still open")]
    FilesOpen,
}
