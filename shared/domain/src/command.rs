//! What can be asked of a job: every writer speaks in these.

use std::time::Duration;

use crate::code::Code;
use crate::failure::Failure;
use crate::id::Nonce;
use crate::job::{Status, WaitingFor};
use crate::session::UploadUrl;
use crate::time::Timestamp;

/// Why a delivery ends before the job does.
#[derive(Clone, Debug, PartialEq)]
pub enum PutBack {
    /// A fault of the worker, of one file's bytes or of single engine calls. `code` is what the open files get if it was
    /// the last attempt.
    Fault { code: Code, retry_after: Option<Duration> },
    /// Where audio and jobs are kept does not answer, is too busy or is set up wrong: no job is to blame.
    Storage { retry_after: Option<Duration> },
    /// The handler's time is nearly up.
    Deadline,
    /// The process is told to end.
    Shutdown,
    /// No engine call of this delivery succeeded.
    Engine { retry_after: Option<Duration> },
    /// The engine answers, and does not speak the language of what is left: the user's other jobs go on.
    Language,
    /// Another user waits for the place that this job holds.
    ForOthers,
    /// The daily budget is used up.
    Budget { until: Timestamp },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A task of this number was made, or found, that runs at `schedule` (or at once).
    Enqueued {
        number: u32,
        schedule: Option<Timestamp>,
    },
    /// The queue knows no task of this number any more.
    TaskGone {
        number: u32,
    },
    /// It is this waiting job's turn.
    Promote,
    /// What the job waited for may be there again: it takes a free turn of its user, or gets in line for one.
    TakeSlot,
    /// The job was written while a clock ran ahead, and is due later than any rule allows: it is due now.
    CorrectClock,
    /// A person does not want to wait: what the job would come to later, a retry or the effects of its end, is due now.
    Wake,
    Claim {
        owner: Nonce,
    },
    Renew {
        fence: u64,
    },
    /// The staged bytes of a file were read to their end and are those that were announced.
    FileVerified {
        fence: u64,
        index: usize,
    },
    /// A file cannot be worked on at all: its bytes are gone, differ, or are no audio.
    FailFile {
        fence: u64,
        index: usize,
        failure: Failure,
    },
    PutBack {
        fence: u64,
        cause: PutBack,
        jitter: f64,
    },
    /// The circuit is open: a queued job waits without being claimed.
    Postpone {
        until: Timestamp,
        waiting_for: WaitingFor,
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
    /// The blobs are about to be deleted.
    AudioGone {
        fence: u64,
    },
    CleanedUp {
        fence: u64,
    },
    /// The lease is over and nobody claimed: back to the queue, with a fence that stops the lost worker.
    Recover,
    /// The process that claimed it is known to be dead, whatever the lease says: the caller holds alone what a worker
    /// needs, and has just started. The fence is that of the dead one's claim: who claimed since is not meant.
    WorkerGone {
        fence: u64,
    },
    /// Nothing more can come of it: it waited too long for its turn.
    GiveUpWaiting,
    Cancel,
    Retry {
        key: Nonce,
    },
    /// Where the bytes of these files go. The first address of a file stands.
    UploadsStarted {
        urls: Vec<(usize, UploadUrl)>,
    },
    /// The upload session was not completed in its time.
    ExpireUpload,
    /// The end of retention: the job is forgotten.
    Expire,
}

impl Command {
    /// Whether the answer depends on a free turn of the user.
    pub fn needs_slot(&self) -> bool {
        matches!(self, Command::Retry { .. } | Command::TakeSlot)
    }
}

/// What follows from a transition, to be done by whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the task of the job's present dispatch number.
    Enqueue,
    /// In the same transaction: the user's next waiting jobs get their turn.
    PromoteNext,
    /// The job's effects are due now.
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
