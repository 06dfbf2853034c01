//! A job as shipped clients read it. What they do with each end is written in `docs/GUARANTEES.md`.

use domain::{Blame, Code, ConversationId, Failure, Job, JobFile, JobId, Status};
use serde::Serialize;
use utoipa::ToSchema;

use crate::view::job::POLL_AFTER_MS;

/// With this in `error`, and without a `reason_code`, a failure is not counted against the recordings.
const NOT_COUNTED: &str = "background worker likely died";
/// How long a client may wait after a failure of ours: what broke is rarely whole at once.
const AFTER_OUR_FAULT_SECONDS: u64 = 60;
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
            status: Told::of(job).status,
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
        let (progress, told) = (job.progress(), Told::of(job));
        Self {
            job_id: job.id,
            status: told.status,
            total_segments: progress.total,
            processed_segments: progress.processed(),
            successful_segments: progress.successful,
            failed_segments: progress.failed,
            result: job.result.as_ref().map(|_| PartMemories::of(job)),
            error: told.error,
            reason_code: told.reason_code,
            retry_after: told.retry_after,
        }
    }
}

/// What a client that cannot be changed is told, so that it does what is right.
pub struct Told {
    pub status: Status,
    pub error: Option<String>,
    pub reason_code: Option<&'static str>,
    pub retry_after: Option<u64>,
}

impl Told {
    pub fn of(job: &Job) -> Self {
        let quiet = |status| Self { status, error: None, reason_code: None, retry_after: None };
        match job.status {
            Status::Uploading => quiet(Status::Queued),
            Status::Queued | Status::Processing | Status::Completed => quiet(job.status),
            // Somebody wanted it so: told as the content's own, three uploads later it is left alone.
            Status::Cancelled => Self {
                error: Some("The job was cancelled.".to_owned()),
                reason_code: Some(Status::Cancelled.as_str()),
                ..quiet(Status::Failed)
            },
            Status::PartialFailure | Status::Failed => match cause(job) {
                Some(failure) if failure.blame == Blame::Service => Self {
                    error: Some(sentence(job, &format!("{NOT_COUNTED}: {}", failure.detail))),
                    retry_after: Some(AFTER_OUR_FAULT_SECONDS),
                    // Only `failed` is not counted. The files are kept and sent again either way.
                    ..quiet(Status::Failed)
                },
                Some(failure) => Self {
                    error: Some(sentence(job, &failure.detail)),
                    reason_code: Some(shipped_name(failure.code)),
                    ..quiet(job.status)
                },
                None => Self { error: Some(sentence(job, NOT_COUNTED)), ..quiet(Status::Failed) },
            },
        }
    }
}

/// What decides how the client goes on: any fault of ours before any of the content's, and `invalid_audio`, for which a
/// recording is given up for good, only if there is nothing else in the batch.
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

/// The name by which shipped clients know a code.
fn shipped_name(code: Code) -> &'static str {
    match code {
        Code::InvalidAudio => "sync_invalid_audio",
        code => code.as_str(),
    }
}

#[cfg(test)]
mod tests;
