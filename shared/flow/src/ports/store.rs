//! The job store. Everything that has to be consistent is changed by one operation in one transaction.
//!
//! Every operation may be repeated and recognises that it was done before, so that a lost answer
//! ([`Kind::Unknown`](crate::error::Kind::Unknown)) is resolved by repeating the call. Adapters hold no rules: they
//! read what a rule needs, let the pure functions of `domain` decide, and write the result. An operation with a uid
//! never finds data of another user.

use async_trait::async_trait;
use domain::accept::Batch;
use domain::checkpoint::Checkpoint;
use domain::command::Command;
pub use domain::decision::{Created, Opened, SessionCompleted, Stepped, Withdrawn, Written};
pub use domain::deletion::{DueDeletion, Removed};
use domain::job::{Status, WaitingFor};
pub use domain::listing::{
    ChangeCursor, ChangeQuery, ConversationPage, ConversationQuery, DueCursor, JobCursor, JobQuery, LineCursor,
    LineQuery, Page,
};
use domain::placement::Group;
use domain::planning::FilePlan;
use domain::session::{SessionRequest, WholeFile};
pub use domain::transition::At;
use domain::{
    Bucket, Conversation, ConversationId, DeviceId, Job, JobId, Levels, Line, Peaks, Recording, RecordingId, Timestamp,
    Uid,
};

use super::push::Device;
use crate::error::Result;

/// Statistics of all jobs, for operators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobStats {
    /// The number of jobs of each status, in the order of [`Status::ALL`].
    pub by_status: Vec<(Status, u64)>,
    /// The earliest `due_at` that has passed.
    pub oldest_due: Option<Timestamp>,
    /// Ended jobs whose `due_at` has passed: their push, clean-up or deletion is due.
    pub effects_due: u64,
    /// The number of queued jobs that wait for each of these, in the order of [`WaitingFor::ALL`].
    pub waiting: Vec<(WaitingFor, u64)>,
    /// When the oldest job that is accepted and has not ended was created.
    pub oldest_unfinished: Option<Timestamp>,
}

/// The most due jobs that [`MaintenanceStore::job_stats`] counts, oldest first.
pub const MAX_EFFECTS_COUNTED: usize = 10_000;

/// All of it, as one adapter offers it in one database.
pub trait Store: JobStore + LibraryStore + DeviceStore + MaintenanceStore {}

impl<S: JobStore + LibraryStore + DeviceStore + MaintenanceStore> Store for S {}

/// Jobs, their recordings and their stored lines: what accepting and processing need.
#[async_trait]
pub trait JobStore: Send + Sync + 'static {
    /// Creates the job of a staged batch and links its recordings to it, or finds the job that already has them. Reads
    /// the job of the same id, the recordings and their latest jobs; decided by [`domain::accept::decide`]. Atomic.
    /// Idempotent by the job's id. A store that can count the user's slots without waiting for other writers does so; in
    /// any other the new job takes its slot provisionally ([`domain::Command::SettleSlot`]).
    async fn create_job(&self, batch: &Batch, at: At<'_>) -> Result<Created>;

    /// Withdraws a batch after `create_job` ended with [`Kind::Unknown`](crate::error::Kind::Unknown): finds its job, or
    /// makes sure that it never becomes one; decided by [`domain::accept::withdraw`]. Atomic. Idempotent by the job's
    /// id.
    async fn withdraw_batch(&self, batch: &Batch, at: At<'_>) -> Result<Withdrawn>;

    /// Opens an upload session, or finds the one that is open for the same files, or the job that has the recordings. Reads
    /// what `create_job` reads and the user's open sessions; decided by [`domain::session::open`]. A session is not
    /// linked to its recordings. Atomic. Idempotent by the job's id and by the files.
    async fn open_session(&self, request: &SessionRequest, at: At<'_>) -> Result<Opened>;

    /// Turns a session whose files are complete into a job and links its recordings to it, or finds the job that has
    /// them by now. Reads what `create_job` reads, and takes a slot as that does; decided by
    /// [`domain::session::complete`]. Atomic. Idempotent: a completed session stays completed.
    async fn complete_session(&self, id: JobId, whole: &[WholeFile], at: At<'_>) -> Result<SessionCompleted>;

    /// Applies one command to one job; decided by [`domain::transition::apply`]. In the same transaction the user's
    /// slots are counted if the command needs one, waiting jobs of the user are promoted if the step asks for it
    /// (oldest recording first, as many as there are free slots), and a job to be forgotten is deleted. Atomic.
    /// Idempotent as each command is.
    async fn step(&self, id: JobId, command: &Command, at: At<'_>) -> Result<Stepped>;

    /// Writes a recording's plan, or finds the existing one, and updates the job's file from it
    /// ([`domain::planning::plan_file`]). The peaks and levels of the plan are stored next to the recording. Atomic,
    /// under the fence. Idempotent: the first plan wins.
    async fn plan_file(&self, id: JobId, plan: &FilePlan, at: At<'_>) -> Result<Written<(Job, Recording)>>;

    /// Stores the checkpoint of a file next to the job until the job ends ([`domain::checkpoint`]); it replaces the one
    /// before. Atomic, under the fence, and renews the lease. Idempotent. More than
    /// [`MAX_CHECKPOINT_BYTES`](domain::checkpoint::MAX_CHECKPOINT_BYTES) are
    /// [`Kind::Invalid`](crate::error::Kind::Invalid).
    async fn save_checkpoint(&self, id: JobId, checkpoint: &Checkpoint, at: At<'_>) -> Result<Written<Job>>;

    /// The bytes of a file's last checkpoint; `None` if it has none or its job has ended.
    async fn checkpoint(&self, id: JobId, index: usize) -> Result<Option<Vec<u8>>>;

    /// Stores lines of one recording and returns the stored ones: for each segment the first text wins and is never
    /// replaced. Atomic, under the fence, and renews the lease. More than [`domain::placement::MAX_GROUP`] lines, or
    /// lines of another user's recording, are [`Kind::Invalid`](crate::error::Kind::Invalid).
    async fn store_texts(&self, id: JobId, fence: u64, lines: Vec<Line>, at: At<'_>) -> Result<Written<Vec<Line>>>;

    /// Places a group of transcribed segments and counts their usage ([`domain::placement::place`]), all in one transaction
    /// under the fence. Idempotent: the marks of the plan guard every segment.
    async fn place(&self, id: JobId, group: &Group, at: At<'_>) -> Result<Written<(Job, Recording)>>;

    /// The job of any user. Callers have to check its owner.
    async fn job(&self, id: JobId) -> Result<Option<Job>>;

    /// A page of a user's jobs ([`JobQuery::shows`]), newest first.
    async fn jobs(&self, query: &JobQuery) -> Result<Vec<Job>>;

    /// A page of a user's changed jobs ([`ChangeQuery::shows`]), in the order of their last change. A change may become
    /// visible after one with a later time, because its time is taken before it is written.
    async fn changed_jobs(&self, query: &ChangeQuery) -> Result<Vec<Job>>;

    /// The number of live jobs of the user that were accepted before this one. A store may stop counting at a thousand.
    async fn jobs_ahead(&self, job: &Job) -> Result<u32>;

    /// The recordings in the order of `ids`.
    async fn recordings(&self, uid: &Uid, ids: &[RecordingId]) -> Result<Vec<Option<Recording>>>;

    /// The levels at which a recording's plan is cut; `None` without a plan, or if it was planned before levels
    /// existed. They are read only by a delivery that did not make the plan itself, so that they are not part of the
    /// recording.
    async fn levels(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Levels>>;

    /// The stored lines of a recording's segments, in order of time.
    async fn lines(&self, uid: &Uid, recording: RecordingId, starts: &[u32]) -> Result<Vec<Line>>;
}

/// What a user reads and deletes: conversations, usage, and what a recording looks like.
#[async_trait]
pub trait LibraryStore: Send + Sync + 'static {
    /// The peaks of a recording; `None` without a plan, or if it was planned before peaks were kept. They are read only for
    /// drawing, so that they are not part of the recording.
    async fn peaks(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Peaks>>;

    /// The conversation after following redirects, with a page of its lines in order of time. `None` if it is unknown
    /// or deleted.
    async fn conversation(&self, query: &LineQuery) -> Result<Option<ConversationPage>>;

    /// A page of a user's conversations ([`ConversationQuery::shows`]), oldest first by (start, id).
    async fn conversations(&self, query: &ConversationQuery) -> Result<Vec<Conversation>>;

    /// Deletes a conversation after following redirects ([`domain::deletion::delete`]): from now on nobody can read it,
    /// and its texts are due to be removed. Returns false if the user has no such conversation. Atomic. Idempotent by
    /// its time: a deletion that is repeated after a lost answer has the same `at.now` and succeeds.
    async fn delete_conversation(&self, uid: &Uid, id: ConversationId, at: At<'_>) -> Result<bool>;

    /// Usage buckets whose hour lies in `from..to`, in order, at most `limit`.
    async fn usage(&self, uid: &Uid, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Bucket>>;
}

/// Devices that are told about jobs by a push.
#[async_trait]
pub trait DeviceStore: Send + Sync + 'static {
    /// Registers a device. Atomic: the token is removed from every other device of any user. Of more than
    /// [`MAX_DEVICES`](domain::device::MAX_DEVICES) the one that was unused for the longest time is deleted.
    async fn put_device(&self, device: &Device) -> Result<()>;

    /// Deletes a device. It is a success if there is no such device.
    async fn delete_device(&self, uid: &Uid, id: &DeviceId) -> Result<()>;

    async fn devices(&self, uid: &Uid) -> Result<Vec<Device>>;

    /// Deletes the device if it still has this same token. Its owner may have registered a new one since.
    async fn drop_token(&self, uid: &Uid, id: &DeviceId, token: &str) -> Result<()>;
}

/// What concerns the jobs of all users: the sweep, the operator and the health check.
#[async_trait]
pub trait MaintenanceStore: Send + Sync + 'static {
    /// A page of the jobs with `due_at <= now`, oldest first.
    async fn due_jobs(&self, now: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>>;

    /// A page of the jobs of these statuses with `due_at > beyond`, soonest first. Jobs that were written by a clock
    /// that ran ahead are among them.
    async fn due_beyond(&self, statuses: &[Status], beyond: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>>;

    /// At most `limit` users who have waiting jobs and a free slot, for example after a crash or after the limit was
    /// raised.
    async fn stuck_users(&self, at: At<'_>, limit: usize) -> Result<Vec<Uid>>;

    /// Gives free slots to the user's waiting jobs. Atomic. Idempotent.
    async fn promote(&self, uid: &Uid, at: At<'_>) -> Result<Vec<Job>>;

    /// Removes the texts of at most `limit` lines of a deleted conversation after following redirects, both of lines
    /// placed by time and of attached ones. The lines stay as stubs for ever. When none is left, the conversation is no
    /// longer due. Does nothing if the conversation is not deleted. Atomic. Idempotent: if repeated, it continues with
    /// the remaining lines.
    async fn remove_texts(&self, uid: &Uid, id: ConversationId, limit: usize) -> Result<Removed>;

    /// A page of the deleted conversations of any user whose texts are due to be removed by `now`, longest due first.
    async fn due_deletions(&self, now: Timestamp, page: &Page<DueDeletion>) -> Result<Vec<DueDeletion>>;

    /// Those of the jobs that exist and still need their staged audio. Used by the orphan rule.
    async fn jobs_with_audio(&self, ids: &[JobId]) -> Result<Vec<JobId>>;

    /// Counts all jobs. Read-only. It takes about as long with a million jobs as with ten, because at most
    /// [`MAX_EFFECTS_COUNTED`] due ones are counted.
    async fn job_stats(&self, now: Timestamp) -> Result<JobStats>;

    async fn ready(&self) -> Result<()>;
}
