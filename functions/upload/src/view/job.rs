//! A job as clients read it.

use domain::{Failure, Job, JobFile, Status};
use serde_json::{Value, json};

/// How soon a client may ask again while a job is not finished.
const POLL_AFTER_MS: u64 = 3000;

/// The answer to an accepted upload.
pub fn accepted(job: &Job, deduplicated: bool) -> Value {
    json!({
        "job_id": job.id,
        "status": job.status,
        "file_count": job.files.len(),
        "total_files": job.files.len(),
        "total_segments": job.progress().total,
        "deduplicated": deduplicated,
        "poll_after_ms": POLL_AFTER_MS,
        "status_url": format!("/v2/sync/jobs/{}", job.id),
    })
}

pub fn job(job: &Job, ahead: u32) -> Value {
    let progress = job.progress();
    let queued = job.status == Status::Queued;
    json!({
        "job_id": job.id,
        "status": job.status,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "attempt": job.attempt,
        "total_files": job.files.len(),
        "total_segments": progress.total,
        "processed_segments": progress.processed(),
        "successful_segments": progress.successful,
        "failed_segments": progress.failed,
        "files": job.files.iter().map(file).collect::<Vec<_>>(),
        "waiting_for": job.waiting_for.filter(|_| queued),
        "until": job.waiting_until.filter(|_| queued),
        "queue": {"ahead": ahead},
        "poll_after_ms": (!job.status.is_terminal()).then_some(POLL_AFTER_MS),
        "result": job.result,
        "error": job.error.as_ref().map(error),
    })
}

fn file(file: &JobFile) -> Value {
    let failure = file.failure.as_ref();
    json!({
        "name": file.name,
        "status": file.status,
        "duration_ms": file.facts.duration_ms,
        "speech_ms": file.facts.speech_ms,
        "segments": file.counts.segments,
        "done": file.counts.done(),
        "dropped_bytes": file.facts.dropped_bytes,
        "concealed_ms": file.facts.concealed_ms,
        "code": failure.map(|f| f.code),
        "detail": failure.map(|f| &f.detail),
        "blame": failure.map(|f| f.blame),
        "retryable": failure.map(|f| f.retryable),
        "conversation_ids": file.conversation_ids,
    })
}

fn error(failure: &Failure) -> Value {
    json!({
        "code": failure.code,
        "detail": failure.detail,
        "blame": failure.blame,
        "retryable": failure.retryable,
    })
}
