//! A job as clients read it.

use domain::job::{JobResult, WaitingFor};
use domain::wait::Wait;
use domain::{Blame, Code, ConversationId, Failure, FileStatus, Job, JobFile, JobId, Status, Timestamp, WaitCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::schema;

/// How soon a client may ask again while a job is not finished.
pub const POLL_AFTER_MS: u64 = 3000;

/// The answer to an accepted upload.
#[derive(Serialize, ToSchema)]
pub struct Accepted {
    #[schema(value_type = uuid::Uuid)]
    job_id: JobId,
    #[schema(value_type = schema::JobStatus)]
    status: Status,
    file_count: usize,
    total_files: usize,
    /// Known so far.
    total_segments: u32,
    /// Every recording was known: nothing runs or is billed twice.
    deduplicated: bool,
    poll_after_ms: u64,
    /// Relative to the address of this request.
    #[schema(format = "uri-reference")]
    status_url: String,
}

impl Accepted {
    pub fn of(job: &Job, deduplicated: bool) -> Self {
        Self {
            job_id: job.id,
            status: job.status,
            file_count: job.files.len(),
            total_files: job.files.len(),
            total_segments: job.progress().total,
            deduplicated,
            poll_after_ms: POLL_AFTER_MS,
            status_url: format!("/v2/sync/jobs/{}", job.id),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    #[schema(value_type = uuid::Uuid)]
    job_id: JobId,
    #[schema(value_type = schema::JobStatus)]
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Grows with every change.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    started_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    completed_at: Option<Timestamp>,
    attempt: u32,
    total_files: usize,
    total_segments: u32,
    processed_segments: u32,
    successful_segments: u32,
    failed_segments: u32,
    files: Vec<FileView>,
    /// Only while it is queued.
    #[schema(value_type = Option<schema::JobWaitsFor>, required)]
    waiting_for: Option<WaitingFor>,
    /// Until when it waits, where that is known.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    until: Option<Timestamp>,
    /// Why it waits or was last put back. Only while it is queued; null once it has got on since.
    #[schema(required)]
    waiting: Option<WaitView>,
    queue: QueueView,
    /// Null at the end.
    #[schema(required)]
    poll_after_ms: Option<u64>,
    /// Only at the end; a `failed` job has none.
    #[schema(required)]
    result: Option<ResultView>,
    /// Only at the end, when something failed.
    #[schema(required)]
    error: Option<FailureView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = JobQueue)]
struct QueueView {
    /// The caller's own jobs that were accepted before this one.
    ahead: u32,
}

#[derive(Serialize, ToSchema)]
#[schema(as = JobWait)]
struct WaitView {
    /// Null if it waits for nothing but its next try.
    #[serde(rename = "for")]
    #[schema(value_type = Option<schema::JobWaitsFor>, required)]
    waiting_for: Option<WaitingFor>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    since: Option<Timestamp>,
    /// When it is tried again, where that is known.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    next_try: Option<Timestamp>,
    #[schema(value_type = schema::JobWaitCode)]
    code: WaitCode,
    /// A sentence for a person.
    detail: String,
}

impl WaitView {
    fn of(wait: Wait<'_>) -> Self {
        let Wait { waiting_for, since, next_try, code, detail } = wait;
        Self { waiting_for, since, next_try, code, detail: detail.to_owned() }
    }
}

impl JobView {
    pub fn of(job: &Job, ahead: u32) -> Self {
        let progress = job.progress();
        let queued = job.status == Status::Queued;
        Self {
            job_id: job.id,
            status: job.status,
            created_at: job.created_at,
            updated_at: job.updated_at,
            started_at: job.started_at,
            completed_at: job.completed_at,
            attempt: job.attempt,
            total_files: job.files.len(),
            total_segments: progress.total,
            processed_segments: progress.processed(),
            successful_segments: progress.successful,
            failed_segments: progress.failed,
            files: job.files.iter().map(FileView::of).collect(),
            waiting_for: job.waiting_for.filter(|_| queued),
            until: job.waiting_until.filter(|_| queued),
            waiting: job.wait().map(WaitView::of),
            queue: QueueView { ahead },
            poll_after_ms: (!job.status.is_terminal()).then_some(POLL_AFTER_MS),
            result: job.result.as_ref().map(ResultView::of),
            error: job.error.as_ref().map(FailureView::of),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = JobFile)]
struct FileView {
    name: String,
    #[schema(value_type = schema::JobFileStatus)]
    status: FileStatus,
    duration_ms: u64,
    speech_ms: u64,
    segments: u32,
    done: u32,
    /// What could not be read at the end of the file, or was given up in its middle.
    dropped_bytes: u64,
    /// What the decoder had to make up.
    concealed_ms: u64,
    #[schema(value_type = Option<schema::FailureCode>, required)]
    code: Option<Code>,
    #[schema(required)]
    detail: Option<String>,
    #[schema(value_type = Option<schema::FailureBlame>, required)]
    blame: Option<Blame>,
    #[schema(required)]
    retryable: Option<bool>,
    #[schema(value_type = Vec<uuid::Uuid>)]
    conversation_ids: Vec<ConversationId>,
}

impl FileView {
    fn of(file: &JobFile) -> Self {
        let failure = file.failure.as_ref();
        Self {
            name: file.name.clone(),
            status: file.status,
            duration_ms: file.facts.duration_ms,
            speech_ms: file.facts.speech_ms,
            segments: file.counts.segments,
            done: file.counts.done(),
            dropped_bytes: file.facts.dropped_bytes,
            concealed_ms: file.facts.concealed_ms,
            code: failure.map(|f| f.code),
            detail: failure.map(|f| f.detail.clone()),
            blame: failure.map(|f| f.blame),
            retryable: failure.map(|f| f.retryable),
            conversation_ids: file.conversation_ids.clone(),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = JobResult)]
struct ResultView {
    #[schema(value_type = Vec<uuid::Uuid>)]
    new_conversation_ids: Vec<ConversationId>,
    #[schema(value_type = Vec<uuid::Uuid>)]
    updated_conversation_ids: Vec<ConversationId>,
    failed_segments: u32,
    total_segments: u32,
    transcribed_ms: u64,
}

impl ResultView {
    fn of(result: &JobResult) -> Self {
        Self {
            new_conversation_ids: result.new_conversation_ids.clone(),
            updated_conversation_ids: result.updated_conversation_ids.clone(),
            failed_segments: result.failed_segments,
            total_segments: result.total_segments,
            transcribed_ms: result.transcribed_ms,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
struct FailureView {
    #[schema(value_type = schema::FailureCode)]
    code: Code,
    /// A sentence for a person.
    detail: String,
    #[schema(value_type = schema::FailureBlame)]
    blame: Blame,
    /// Whether the same audio may succeed when it is tried again.
    retryable: bool,
}

impl FailureView {
    fn of(failure: &Failure) -> Self {
        Self { code: failure.code, detail: failure.detail.clone(), blame: failure.blame, retryable: failure.retryable }
    }
}

/// A page of the caller's jobs.
#[derive(Serialize, ToSchema)]
pub struct JobList {
    /// Newest first.
    pub jobs: Vec<JobView>,
    /// To be passed as `cursor`; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}
