//! The job store: everything that must agree changes here, in one transaction for each operation.
//!
//! Every operation may be repeated and recognises its own effect, so that a lost answer
//! ([`Kind::Unknown`](crate::error::Kind::Unknown)) is settled by asking again. Adapters hold no rules: they read what a
//! rule needs, let the pure functions of `domain` decide, and write what comes back. An operation on a user's things
//! finds nothing of another user.

use async_trait::async_trait;
use domain::accept::Batch;
use domain::checkpoint::Checkpoint;
use domain::command::{Command, Refusal};
use domain::job::Status;
use domain::placement::Group;
use domain::planning::FilePlan;
use domain::session::{SessionRequest, WholeFile};
use domain::{
    Bucket, Conversation, ConversationId, DeviceId, Job, JobId, Levels, Line, Peaks, Recording, RecordingId, Rules,
    Timestamp, Uid,
};

use super::push::Device;
use crate::error::Result;

/// The moment and the numbers that an operation is decided by.
#[derive(Clone, Debug)]
pub struct At<'a> {
    pub now: Timestamp,
    pub rules: &'a Rules,
}

/// What [`Store::create_job`] came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    /// A new job, or this very job created before. Its recordings are tied to it.
    New { job: Job, deduplicated: bool },
    /// Another job has all of the batch's recordings. Nothing was written.
    Answered(Job),
}

/// What [`Store::open_session`] came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Opened {
    /// A new session or the one that is open for these files, and the sessions that ended to make room for it: their
    /// effects are due.
    Session { job: Job, ended: Vec<Job> },
    /// Every recording is known: the job that has them, or a new one born completed.
    Known(Job),
}

/// What [`Store::complete_session`] came to.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionCompleted {
    /// The session is a job now, or was before. Its recordings are tied to it.
    Job { job: Job, deduplicated: bool },
    /// Another job has its recordings; the session ended, now or before, and its effects are due.
    Answered { by: Box<Job>, session: Job },
    /// These files are not whole. Nothing was written.
    Incomplete { job: Job, missing: Vec<usize> },
    /// It expired, or was cancelled.
    Ended(Job),
    /// There is no such session, or the job that answered for it is forgotten.
    NoSuchJob,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Stepped {
    /// The job after it, what is to be done now, and the user's jobs whose turn came with it.
    Done {
        job: Job,
        actions: Vec<domain::Action>,
        promoted: Vec<Job>,
    },
    Refused {
        job: Job,
        why: Refusal,
    },
    NoSuchJob,
}

/// What a worker's write came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Written<T> {
    Done(T),
    /// The worker lost the job, or the job ended, or is gone (fence 0): it stops at once.
    Fenced(Refusal),
}

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobCursor {
    pub created_at: Timestamp,
    pub id: JobId,
}

/// Where a conversation's lines go on: after the line of this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineCursor {
    pub starts_at: Timestamp,
    pub recording: RecordingId,
    pub start_ms: u32,
}

/// Where the sweep's page goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueCursor {
    pub due_at: Timestamp,
    pub id: JobId,
}

/// Where a user's changed jobs go on: after the job of this change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeCursor {
    pub updated_at: Timestamp,
    pub id: JobId,
}

impl ChangeCursor {
    /// The last change of this job.
    pub fn of(job: &Job) -> Self {
        Self { updated_at: job.updated_at, id: job.id }
    }
}

/// A deleted conversation whose texts are to be removed; also where a page of them goes on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueDeletion {
    pub due_at: Timestamp,
    pub uid: Uid,
    pub id: ConversationId,
}

/// What [`Store::remove_texts`] came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub lines: usize,
    /// There may be more of them.
    pub more: bool,
}

/// A conversation with a page of its lines.
#[derive(Clone, Debug, PartialEq)]
pub struct ConversationPage {
    pub conversation: Conversation,
    pub lines: Vec<Line>,
    pub next: Option<LineCursor>,
}

/// What an operator wants to know of all jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobStats {
    /// Every status there is, in the order of [`Status::ALL`].
    pub by_status: Vec<(Status, u64)>,
    /// The earliest `due_at` that has come.
    pub oldest_due: Option<Timestamp>,
    /// Finished jobs whose `due_at` has come: their push, their clean-up or their end is to be done.
    pub effects_due: u64,
}

/// The most due jobs that a census looks at, oldest first.
pub const MAX_EFFECTS_COUNTED: usize = 10_000;

/// The most devices of a user: the one unused longest gives way.
pub const MAX_DEVICES: usize = 20;

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Creates the job of a staged batch and ties its recordings to it, or finds the job that has them: reads its own
    /// id, the recordings and their latest jobs, counts the user's turns, asks [`domain::accept::decide`].
    /// Atomic. Idempotent by the job's id.
    async fn create_job(&self, batch: &Batch, at: At<'_>) -> Result<Created>;

    /// Opens an upload session, or finds the one that is open for the same files, or the job that has the recordings:
    /// reads what `create_job` reads and the user's open sessions, asks [`domain::session::open`]. A session ties no
    /// recording. Atomic. Idempotent by the job's id and by the files.
    async fn open_session(&self, request: &SessionRequest, at: At<'_>) -> Result<Opened>;

    /// Makes a job of a session whose files are whole and ties its recordings to it, or finds the job that has them by
    /// now: reads what `create_job` reads, asks [`domain::session::complete`]. Atomic. Idempotent: what was completed
    /// stays so.
    async fn complete_session(&self, id: JobId, whole: &[WholeFile], at: At<'_>) -> Result<SessionCompleted>;

    /// One command to one job, decided by [`domain::transition::apply`]. In the same transaction: a turn is counted
    /// where the command needs one, waiting jobs of the user are promoted (oldest recording first, as many as there are
    /// free turns) where the step asks for it, and a forgotten job is deleted.
    /// Atomic. Idempotent as each command is.
    async fn step(&self, id: JobId, command: &Command, at: At<'_>) -> Result<Stepped>;

    /// Writes a recording's plan, or finds the one that is there, and brings the job's file in line with it
    /// ([`domain::planning::plan_file`]). What the plan's recording looks like, and how it was
    /// heard, is kept beside it. Atomic, under the fence.
    /// Idempotent: the first plan wins.
    async fn plan_file(&self, id: JobId, plan: &FilePlan, at: At<'_>) -> Result<Written<(Job, Recording)>>;

    /// Keeps how far listening to a file has come, beside the job, until the job ends ([`domain::checkpoint`]): the last
    /// one stands. Atomic, under the fence, which it renews. Idempotent. More than
    /// [`MAX_CHECKPOINT_BYTES`](domain::checkpoint::MAX_CHECKPOINT_BYTES) are
    /// [`Kind::Invalid`](crate::error::Kind::Invalid).
    async fn save_checkpoint(&self, id: JobId, checkpoint: &Checkpoint, at: At<'_>) -> Result<Written<Job>>;

    /// The bytes of a file's last checkpoint; `None` when it has none, and once its job has ended.
    async fn checkpoint(&self, id: JobId, index: usize) -> Result<Option<Vec<u8>>>;

    /// Stores lines of one recording, create-only, and gives back what now stands: for each segment the first text
    /// wins. Atomic, under the fence, which it renews. More than [`domain::placement::MAX_GROUP`] lines, or lines of
    /// another user's recording, are [`Kind::Invalid`](crate::error::Kind::Invalid).
    async fn store_texts(&self, id: JobId, fence: u64, lines: Vec<Line>, at: At<'_>) -> Result<Written<Vec<Line>>>;

    /// Places a group of finished segments and counts their usage ([`domain::placement::place`]), all in one
    /// transaction under the fence. Idempotent: the plan's marks guard every segment.
    async fn place(&self, id: JobId, group: &Group, at: At<'_>) -> Result<Written<(Job, Recording)>>;

    /// The job, whoever owns it: callers compare the owner.
    async fn job(&self, id: JobId) -> Result<Option<Job>>;

    /// A user's jobs, newest first, after the cursor; of any status when `statuses` is empty. Expired ones are left
    /// out.
    async fn jobs(
        &self,
        uid: &Uid,
        statuses: &[Status],
        after: Option<JobCursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Job>>;

    /// A user's jobs that changed at `since` or later, in the order of their last change, after the cursor. Expired ones
    /// are left out. A change may become visible after one of a later moment: its moment is taken before it is written.
    async fn changed_jobs(
        &self,
        uid: &Uid,
        since: Timestamp,
        after: Option<ChangeCursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Job>>;

    /// How many live jobs of the user were accepted before this one. A store may stop counting at a thousand.
    async fn jobs_ahead(&self, job: &Job) -> Result<u32>;

    /// Jobs with `due_at <= now`, oldest first, after the cursor.
    async fn due_jobs(&self, now: Timestamp, after: Option<DueCursor>, limit: usize) -> Result<Vec<Job>>;

    /// Jobs of these statuses with `due_at > beyond`, soonest first, after the cursor: among them are those that a clock
    /// left behind that ran ahead.
    async fn due_beyond(
        &self,
        statuses: &[Status],
        beyond: Timestamp,
        after: Option<DueCursor>,
        limit: usize,
    ) -> Result<Vec<Job>>;

    /// Users who have waiting jobs and a free turn: what a crash or a raised limit left behind. At most `limit`.
    async fn stuck_users(&self, at: At<'_>, limit: usize) -> Result<Vec<Uid>>;

    /// Gives free turns to the user's waiting jobs. Atomic. Idempotent.
    async fn promote(&self, uid: &Uid, at: At<'_>) -> Result<Vec<Job>>;

    /// In the order asked for.
    async fn recordings(&self, uid: &Uid, ids: &[RecordingId]) -> Result<Vec<Option<Recording>>>;

    /// What a recording looks like; `None` for one without a plan, and for those that were planned before this was kept.
    /// Read only when it is drawn: a recording does not carry it.
    async fn peaks(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Peaks>>;

    /// How a recording's plan is cut; `None` for one without a plan, and for those that were planned before there were
    /// levels. Read by a delivery that cuts what it did not plan itself: a recording does not carry it.
    async fn levels(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Levels>>;

    /// The stored lines of a recording's segments, in order of time.
    async fn lines(&self, uid: &Uid, recording: RecordingId, starts: &[u32]) -> Result<Vec<Line>>;

    /// The conversation, redirects followed, with at most `limit` of its lines in order of time. `None` for unknown and
    /// deleted ones.
    async fn conversation(
        &self,
        uid: &Uid,
        id: ConversationId,
        after: Option<LineCursor>,
        limit: usize,
    ) -> Result<Option<ConversationPage>>;

    /// Live conversations that began in `from..to`, oldest first by (start, id), after the cursor.
    async fn conversations(
        &self,
        uid: &Uid,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        after: Option<(Timestamp, ConversationId)>,
        limit: usize,
    ) -> Result<Vec<Conversation>>;

    /// Deletes a conversation, redirects followed ([`domain::deletion::delete`]): from now on nobody reads it, and its
    /// texts are due to be removed. False when the user has no such conversation. Atomic. Idempotent by its moment: who
    /// repeats a deletion of which the answer was lost names the same `at.now`, and is told that it is done.
    async fn delete_conversation(&self, uid: &Uid, id: ConversationId, at: At<'_>) -> Result<bool>;

    /// Removes the texts of at most `limit` lines of a deleted conversation, redirects followed: of those placed by time
    /// and of those attached. The lines stay as stubs for ever. When none is left the conversation is due no more. Does
    /// nothing to one that is not deleted. Atomic. Idempotent: repeated, it goes on with what is left.
    async fn remove_texts(&self, uid: &Uid, id: ConversationId, limit: usize) -> Result<Removed>;

    /// Deleted conversations of any user whose texts are due to be removed by `now`, the longest due first, after the
    /// cursor.
    async fn due_deletions(
        &self,
        now: Timestamp,
        after: Option<&DueDeletion>,
        limit: usize,
    ) -> Result<Vec<DueDeletion>>;

    /// Usage buckets whose hour lies in `from..to`, in order, at most `limit`.
    async fn usage(&self, uid: &Uid, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Bucket>>;

    /// Registers a device. Atomic: the token leaves every other device of any user that has it; of more than
    /// [`MAX_DEVICES`] the one unused longest goes.
    async fn put_device(&self, device: &Device) -> Result<()>;

    /// No such device is success.
    async fn delete_device(&self, uid: &Uid, id: &DeviceId) -> Result<()>;

    async fn devices(&self, uid: &Uid) -> Result<Vec<Device>>;

    /// Deletes the device if it still has that very token. Its owner may have registered a new one since.
    async fn drop_token(&self, uid: &Uid, id: &DeviceId, token: &str) -> Result<()>;

    /// Of these jobs, those that still need their staged audio, because they exist and their audio is not gone: for the
    /// orphan rule.
    async fn jobs_with_audio(&self, ids: &[JobId]) -> Result<Vec<JobId>>;

    /// Counts all jobs. A reading; takes about as long with a million jobs as with ten: [`MAX_EFFECTS_COUNTED`] due ones are
    /// looked at, at most.
    async fn job_stats(&self, now: Timestamp) -> Result<JobStats>;

    async fn ready(&self) -> Result<()>;
}
