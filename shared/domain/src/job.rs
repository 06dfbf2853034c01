//! A job: one accepted batch. It refers to recordings, owns the staged audio, the lease, the progress and the push.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::id::{ConversationId, JobId, Nonce, Uid};
use crate::job_file::JobFile;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Uploading,
    Queued,
    Processing,
    Completed,
    PartialFailure,
    Failed,
    Cancelled,
}

impl Status {
    pub const ALL: [Status; 7] = [
        Status::Uploading,
        Status::Queued,
        Status::Processing,
        Status::Completed,
        Status::PartialFailure,
        Status::Failed,
        Status::Cancelled,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Uploading => "uploading",
            Status::Queued => "queued",
            Status::Processing => "processing",
            Status::Completed => "completed",
            Status::PartialFailure => "partial_failure",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Final for every writer but an explicit retry.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Status::Completed | Status::PartialFailure | Status::Failed | Status::Cancelled)
    }

    /// Accepted and not ended: it will be worked on.
    pub const fn is_live(self) -> bool {
        matches!(self, Status::Queued | Status::Processing)
    }
}

/// Who may write. The fence only grows; every write of a worker is refused unless the job's fence is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub fence: u64,
    pub owner: Option<Nonce>,
    pub until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispatchState {
    /// Other jobs of the user come first, or it waits for something else than its turn: `waiting_for` says which.
    Waiting,
    /// Its turn: a task is to be made.
    Pending,
    /// A task was made.
    Enqueued,
}

/// The way to a worker. The number only grows, and only names tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    pub state: DispatchState,
    pub number: u32,
    /// The task is for this moment, not for at once: the job was put back.
    pub not_before: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    Turn,
    Engine,
    Budget,
    Storage,
}

impl WaitingFor {
    pub const ALL: [WaitingFor; 4] = [WaitingFor::Turn, WaitingFor::Engine, WaitingFor::Budget, WaitingFor::Storage];
}

/// Something to be done after the end, until it is marked done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    #[default]
    None,
    /// To be done from this moment on.
    Due(Timestamp),
    Done(Timestamp),
}

impl Effect {
    pub fn due(self) -> Option<Timestamp> {
        if let Effect::Due(at) = self { Some(at) } else { None }
    }

    pub fn is_due(self, now: Timestamp) -> bool {
        self.due().is_some_and(|at| now.has_reached(at))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    pub push: Effect,
    pub cleanup: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audio {
    Staged,
    /// Set before the first blob is deleted: from then on a retry is refused.
    Gone,
}

/// What came of it, at a terminal status. A `failed` job has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobResult {
    pub new_conversation_ids: Vec<ConversationId>,
    pub updated_conversation_ids: Vec<ConversationId>,
    pub failed_segments: u32,
    pub total_segments: u32,
    pub transcribed_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub uid: Uid,
    pub status: Status,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// When a finished job is forgotten.
    pub expires_at: Option<Timestamp>,
    pub files: Vec<JobFile>,
    /// Where the app wants the audio to go.
    pub conversation_id: Option<ConversationId>,
    pub language: Option<String>,
    /// Deliveries that count, this one included.
    pub attempt: u32,
    pub lease: Lease,
    pub dispatch: Dispatch,
    /// When the sweep has to look at it. The job's own clock: tasks are only wake-ups.
    pub due_at: Option<Timestamp>,
    pub waiting_for: Option<WaitingFor>,
    pub waiting_since: Option<Timestamp>,
    pub waiting_until: Option<Timestamp>,
    /// The order of turns among a user's jobs.
    pub oldest_captured_at: Timestamp,
    pub effects: Effects,
    pub audio: Audio,
    /// Conversations that this job's segments started or went into.
    pub new_conversation_ids: Vec<ConversationId>,
    pub updated_conversation_ids: Vec<ConversationId>,
    /// [`Job::work_done`] when the present delivery claimed it: more means progress.
    pub done_at_claim: u32,
    pub result: Option<JobResult>,
    pub error: Option<Failure>,
    /// Names the retry that queued it last, so that a repeated one recognises itself.
    pub retry_key: Option<Nonce>,
    pub traceparent: Option<String>,
    /// The job that has the recordings of this cancelled upload session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<JobId>,
}

/// Progress in segments, derived from the files; never negative, never above the total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub total: u32,
    pub successful: u32,
    pub failed: u32,
}

impl Progress {
    pub fn processed(&self) -> u32 {
        self.successful + self.failed
    }
}

impl Job {
    pub fn progress(&self) -> Progress {
        self.files.iter().fold(Progress::default(), |mut sum, file| {
            sum.total += file.counts.segments;
            sum.successful += file.counts.done();
            sum.failed += file.failed_segments();
            sum
        })
    }

    /// A number that grows with every segment that is done, every file that is settled, and every checkpoint of listening
    /// that went further.
    pub fn work_done(&self) -> u32 {
        let settled = self.files.iter().filter(|f| f.status.is_settled()).count() as u32;
        let advances: u32 = self.files.iter().map(|file| file.listened.advances).sum();
        self.progress().successful + settled + advances
    }

    /// The files that a checkpoint stands for beside the job.
    pub fn files_with_checkpoints(&self) -> impl Iterator<Item = usize> {
        let listened = |(index, file): (usize, &JobFile)| (!file.listened.is_nothing()).then_some(index);
        self.files.iter().enumerate().filter_map(listened)
    }

    pub fn has_progressed(&self) -> bool {
        self.work_done() > self.done_at_claim
    }

    /// Whether the job counts against the user's turns.
    pub fn holds_slot(&self) -> bool {
        self.status.is_live() && self.dispatch.state != DispatchState::Waiting
    }

    /// Whether the job is in line behind other jobs of its user.
    pub fn waits_for_slot(&self) -> bool {
        self.is_waiting() && matches!(self.waiting_for, None | Some(WaitingFor::Turn))
    }

    /// Whether the job waits for an engine, its storage or a budget. Meanwhile it holds no turn and is not in line for
    /// one.
    pub fn is_parked(&self) -> bool {
        self.is_waiting() && !self.waits_for_slot()
    }

    fn is_waiting(&self) -> bool {
        self.status == Status::Queued && self.dispatch.state == DispatchState::Waiting
    }

    pub fn lease_is_live(&self, now: Timestamp) -> bool {
        self.status == Status::Processing && self.lease.until.is_some_and(|until| !now.has_reached(until))
    }
}
