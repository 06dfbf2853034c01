//! A job: one accepted batch. It refers to recordings and owns the staged audio, the lease, the progress and the push.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::id::{ConversationId, JobId, Nonce, RecordingId, Uid};
use crate::job_file::JobFile;
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::wait_reason::WaitReason;

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

    /// Whether the job has ended. Only an explicit retry starts it again.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Status::Completed | Status::PartialFailure | Status::Failed | Status::Cancelled)
    }

    /// Whether the job is accepted and has not ended.
    pub const fn is_live(self) -> bool {
        matches!(self, Status::Queued | Status::Processing)
    }
}

/// Who may write the job. The fence only grows, and a worker's write is refused unless the job still has the worker's
/// fence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub fence: u64,
    pub owner: Option<Nonce>,
    pub until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DispatchState {
    /// The job waits for a slot of its user, or for something else; `waiting_for` says which.
    Waiting,
    /// The job has a slot, and its task is still to be created.
    Pending,
    /// The task was created.
    Enqueued,
}

/// How the job gets to a worker. The number only grows; it is used for nothing but the names of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    pub state: DispatchState,
    pub number: u32,
    /// When the task runs, if not at once: the job was put back and retries later.
    pub not_before: Option<Timestamp>,
    /// The job took its slot before the slots of its user were counted. They are counted before its task is created,
    /// and if there were none left, the job gets in line. For everybody else it holds the slot meanwhile.
    #[serde(default, skip_serializing_if = "is_false")]
    pub slot_is_provisional: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
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

    pub const fn as_str(self) -> &'static str {
        match self {
            WaitingFor::Turn => "turn",
            WaitingFor::Engine => "engine",
            WaitingFor::Budget => "budget",
            WaitingFor::Storage => "storage",
        }
    }
}

/// Something to be done after the job's end, until it is marked as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    #[default]
    None,
    /// The effect is to run at this time or later.
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
    /// The audio is deleted or about to be. This is set before the first blob is deleted; from then on a retry is refused.
    Gone,
}

/// The result of an ended job. A `failed` job has none.
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
    /// When the finished job is deleted.
    pub expires_at: Option<Timestamp>,
    pub files: Vec<JobFile>,
    /// The conversation that the app wants the lines attached to.
    pub conversation_id: Option<ConversationId>,
    pub language: Option<String>,
    /// The number of deliveries that count as attempts, the current one included.
    pub attempt: u32,
    pub lease: Lease,
    pub dispatch: Dispatch,
    /// When the sweep has to look at the job. This is the authoritative schedule; tasks are only wake-ups.
    pub due_at: Option<Timestamp>,
    pub waiting_for: Option<WaitingFor>,
    pub waiting_since: Option<Timestamp>,
    pub waiting_until: Option<Timestamp>,
    /// Why the job last did not go on. It is cleared when the job makes progress, and when it ends without a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_reason: Option<WaitReason>,
    /// The jobs of a user get slots in the order of this time.
    pub oldest_captured_at: Timestamp,
    pub effects: Effects,
    pub audio: Audio,
    /// Conversations that this job's segments started (`new`) or were placed into (`updated`).
    pub new_conversation_ids: Vec<ConversationId>,
    pub updated_conversation_ids: Vec<ConversationId>,
    /// The value of [`Job::work_done`] when the current delivery claimed the job; a higher value now means progress.
    pub done_at_claim: u32,
    pub result: Option<JobResult>,
    pub error: Option<Failure>,
    /// Identifies the retry that queued the job last, so that a repeated request is recognised.
    pub retry_key: Option<Nonce>,
    pub traceparent: Option<String>,
    /// For a cancelled upload session: the other job that has its recordings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<JobId>,
}

/// Progress in segments, derived from the files. It is never negative and never above the total.
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

    /// The id of the trace in which the job was accepted, as `traceparent` has it.
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref()?.split('-').nth(1)
    }

    /// A number that grows with every segment that is done, every file that is settled, and every checkpoint of listening
    /// that got further than the ones before it.
    pub fn work_done(&self) -> u32 {
        let settled = self.files.iter().filter(|f| f.status.is_settled()).count() as u32;
        let advances: u32 = self.files.iter().map(|file| file.listened.advances).sum();
        self.progress().successful + settled + advances
    }

    /// The indices of the files that have a checkpoint stored next to the job.
    pub fn files_with_checkpoints(&self) -> impl Iterator<Item = usize> {
        let listened = |(index, file): (usize, &JobFile)| (!file.listened.is_nothing()).then_some(index);
        self.files.iter().enumerate().filter_map(listened)
    }

    pub fn has_progressed(&self) -> bool {
        self.work_done() > self.done_at_claim
    }

    /// Whether the job holds one of the user's slots.
    pub fn holds_slot(&self) -> bool {
        self.status.is_live() && self.dispatch.state != DispatchState::Waiting
    }

    /// Whether the job holds a slot that is still to be counted.
    pub fn holds_provisional_slot(&self) -> bool {
        self.status == Status::Queued
            && self.dispatch.state == DispatchState::Pending
            && self.dispatch.slot_is_provisional
    }

    /// Whether the job is in line for a slot behind other jobs of its user.
    pub fn waits_for_slot(&self) -> bool {
        self.is_waiting() && matches!(self.waiting_for, None | Some(WaitingFor::Turn))
    }

    /// Whether the job waits for an engine, its storage or a budget. Meanwhile it holds no slot and is not in line for one.
    pub fn is_parked(&self) -> bool {
        self.is_waiting() && !self.waits_for_slot()
    }

    fn is_waiting(&self) -> bool {
        self.status == Status::Queued && self.dispatch.state == DispatchState::Waiting
    }

    /// Whether the retention of the job is over.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| now.has_reached(at))
    }

    pub fn needs_audio(&self) -> bool {
        self.audio != Audio::Gone
    }

    pub fn recording_ids(&self) -> Vec<RecordingId> {
        self.files.iter().map(|file| file.recording).collect()
    }

    /// The time from which another worker may take the job over: the end of the lease, and a margin for clocks that
    /// differ. `None` if no worker has the job.
    pub fn held_until(&self, rules: &Rules) -> Option<Timestamp> {
        let until = self.lease.until.filter(|_| self.status == Status::Processing)?;
        Some(until + rules.takeover_margin())
    }

    /// Until when a worker still holds the job; `None` if another one may take it now.
    pub fn held_after(&self, now: Timestamp, rules: &Rules) -> Option<Timestamp> {
        self.held_until(rules).filter(|until| !now.has_reached(*until))
    }
}
