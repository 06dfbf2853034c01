//! A job as shipped clients read it. `docs/GUARANTEES.md` says what they do with each outcome.

use domain::{Blame, Code, ConversationId, Failure, Job, JobFile, JobId, Status};
use serde::Serialize;
use utoipa::ToSchema;

use crate::view::job::POLL_AFTER_MS;

/// With this text in `error`, and without a `reason_code`, shipped clients do not count a failure against the
/// recordings.
const NOT_COUNTED: &str = "background worker likely died";
/// The wait that a client is told after a failure of the server, which is rarely repaired at once.
const SERVICE_FAILURE_RETRY_SECONDS: u64 = 60;
const MAX_ERRORS: usize = 10;

/// The answer to an accepted batch.
#[derive(Serialize, ToSchema)]
pub struct ShippedAccepted {
    #[schema(value_type = uuid::Uuid)]
    job_id: JobId,
    #[schema(value_type = ShippedStatus)]
    status: Status,
    total_files: usize,
    /// Known so far.
    total_segments: u32,
    poll_after_ms: u64,
}

impl ShippedAccepted {
    pub fn of(job: &Job) -> Self {
        Self {
            job_id: job.id,
            status: ShippedOutcome::of(job).status,
            total_files: job.files.len(),
            total_segments: job.progress().total,
            poll_after_ms: POLL_AFTER_MS,
        }
    }
}

edge::names!(
    /// What has become of a job, as shipped clients know it.
    ShippedStatus,
    [Status::Queued, Status::Processing, Status::Completed, Status::PartialFailure, Status::Failed]
);

/// The conversations that a batch started or went into. A silent batch has none.
#[derive(Default, Serialize, ToSchema)]
pub struct Memories {
    #[schema(value_type = Vec<uuid::Uuid>)]
    new_memories: Vec<ConversationId>,
    #[schema(value_type = Vec<uuid::Uuid>)]
    updated_memories: Vec<ConversationId>,
}

impl Memories {
    pub fn of(job: &Job) -> Self {
        Self { new_memories: job.new_conversation_ids.clone(), updated_memories: job.updated_conversation_ids.clone() }
    }
}

/// …with what failed.
#[derive(Serialize, ToSchema)]
pub struct PartMemories {
    #[schema(value_type = Vec<uuid::Uuid>)]
    new_memories: Vec<ConversationId>,
    #[schema(value_type = Vec<uuid::Uuid>)]
    updated_memories: Vec<ConversationId>,
    failed_segments: u32,
    total_segments: u32,
    /// A sentence for each file that failed.
    #[schema(max_items = 10)]
    errors: Vec<String>,
}

impl PartMemories {
    pub fn of(job: &Job) -> Self {
        let (Memories { new_memories, updated_memories }, progress) = (Memories::of(job), job.progress());
        let failed =
            job.files.iter().filter_map(|file| Some(format!("{}: {}", file.name, file.failure.as_ref()?.detail)));
        let errors = failed.take(MAX_ERRORS).collect();
        let (failed_segments, total_segments) = (progress.failed, progress.total);
        Self { new_memories, updated_memories, failed_segments, total_segments, errors }
    }
}

#[derive(Serialize, ToSchema)]
pub struct ShippedJob {
    #[schema(value_type = uuid::Uuid)]
    job_id: JobId,
    #[schema(value_type = ShippedStatus)]
    status: Status,
    total_segments: u32,
    processed_segments: u32,
    successful_segments: u32,
    failed_segments: u32,
    /// Only at the end, and when something came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<PartMemories>,
    /// Only at the end, when something failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Absent where the failure is the service's: then the recordings are not to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<&'static str>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl ShippedJob {
    pub fn of(job: &Job) -> Self {
        let (progress, outcome) = (job.progress(), ShippedOutcome::of(job));
        Self {
            job_id: job.id,
            status: outcome.status,
            total_segments: progress.total,
            processed_segments: progress.processed(),
            successful_segments: progress.successful,
            failed_segments: progress.failed,
            result: job.result.as_ref().map(|_| PartMemories::of(job)),
            error: outcome.error,
            reason_code: outcome.reason_code,
            retry_after: outcome.retry_after,
        }
    }
}

/// The outcome of a job as it is reported to shipped clients, so that they do the right thing.
pub struct ShippedOutcome {
    pub status: Status,
    pub error: Option<String>,
    pub reason_code: Option<&'static str>,
    pub retry_after: Option<u64>,
}

impl ShippedOutcome {
    pub fn of(job: &Job) -> Self {
        let without_error = |status| Self { status, error: None, reason_code: None, retry_after: None };
        match job.status {
            Status::Uploading => without_error(Status::Queued),
            Status::Queued | Status::Processing | Status::Completed => without_error(job.status),
            // The cancellation was intended. Reported as a failure of the content, the batch is given up after three
            // more uploads.
            Status::Cancelled => Self {
                error: Some("The job was cancelled.".to_owned()),
                reason_code: Some(Status::Cancelled.as_str()),
                ..without_error(Status::Failed)
            },
            Status::PartialFailure | Status::Failed => match cause(job) {
                Some(failure) if failure.blame == Blame::Service => Self {
                    error: Some(sentence(job, &format!("{NOT_COUNTED}: {}", failure.detail))),
                    retry_after: Some(SERVICE_FAILURE_RETRY_SECONDS),
                    // Only `failed` is not counted. The files are kept and sent again in both cases.
                    ..without_error(Status::Failed)
                },
                Some(failure) => Self {
                    error: Some(sentence(job, &failure.detail)),
                    reason_code: Some(shipped_name(failure.code)),
                    ..without_error(job.status)
                },
                None => Self { error: Some(sentence(job, NOT_COUNTED)), ..without_error(Status::Failed) },
            },
        }
    }
}

/// The failure that decides what the client does next. A failure of the server comes before any of the content.
/// `invalid_audio`, after which a client gives up the recording for good, is reported only if there is no other failure
/// in the batch.
fn cause(job: &Job) -> Option<&Failure> {
    let failures = || job.files.iter().filter_map(|file| file.failure.as_ref());
    failures()
        .find(|failure| failure.blame == Blame::Service)
        .or_else(|| failures().find(|failure| failure.code != Code::InvalidAudio))
        .or(job.error.as_ref())
}

fn sentence(job: &Job, first: &str) -> String {
    if job.status == Status::Failed {
        return format!("All {} segments failed. First error: {first}", job.progress().total);
    }
    let failed = job.files.iter().filter(|file: &&JobFile| file.failure.is_some()).count();
    format!("{failed} of {} files failed. First error: {first}", job.files.len())
}

/// The name under which shipped clients know a code.
fn shipped_name(code: Code) -> &'static str {
    match code {
        Code::InvalidAudio => "sync_invalid_audio",
        code => code.as_str(),
    }
}

#[cfg(test)]
mod tests;
