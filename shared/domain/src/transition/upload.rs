//! Transitions of an upload session until its end. It owns no recordings, so that it can be ended at any time.

use super::end::{already_ended, end_cancelled};
use super::{Context, Step};
use crate::code::Code;
use crate::command::{Action, Refusal};
use crate::failure::Failure;
use crate::id::JobId;
use crate::job::{Job, Status};
use crate::session::{ReplacedUpload, UploadUrl};

pub fn started(mut job: Job, urls: &[(usize, UploadUrl)]) -> Result<Step, Refusal> {
    if job.status != Status::Uploading {
        return Err(Refusal::NotUploading(job.status));
    }
    for (index, url) in urls {
        if let Some(upload) = job.files.get_mut(*index).and_then(|file| file.upload.as_mut()) {
            upload.url.get_or_insert_with(|| url.clone());
        }
    }
    Ok(Step::without_actions(job))
}

/// Gives files new addresses in place of dead ones. A file whose address somebody else has replaced already keeps that
/// one, so that all clients of a session get the same address.
pub fn replaced(mut job: Job, replacements: &[ReplacedUpload]) -> Result<Step, Refusal> {
    if job.status != Status::Uploading {
        return Err(Refusal::NotUploading(job.status));
    }
    for ReplacedUpload { index, dead, url } in replacements {
        let upload = job.files.get_mut(*index).and_then(|file| file.upload.as_mut());
        if let Some(upload) = upload.filter(|upload| upload.url.as_ref() == Some(dead)) {
            upload.url = Some(url.clone());
        }
    }
    Ok(Step::without_actions(job))
}

pub fn expire(job: Job, ctx: Context<'_>) -> Result<Step, Refusal> {
    if has_expired(&job) {
        return Ok(already_ended(job, ctx));
    }
    if job.status != Status::Uploading {
        return Err(Refusal::NotUploading(job.status));
    }
    if !job.due_at.is_some_and(|due| ctx.now.has_reached(due)) {
        return Err(Refusal::NotDue);
    }
    Ok(Step { job: end_expired(job, ctx), actions: vec![Action::RunEffects] })
}

fn has_expired(job: &Job) -> bool {
    job.status == Status::Cancelled && job.error.as_ref().is_some_and(|error| error.code == Code::UploadExpired)
}

pub fn end_expired(mut job: Job, ctx: Context<'_>) -> Job {
    job.error = Some(Failure::of(Code::UploadExpired));
    end_cancelled(&mut job, ctx);
    touch(job, ctx)
}

/// Ends a session because another job has its recordings.
pub fn end_answered(mut job: Job, by: JobId, ctx: Context<'_>) -> Job {
    job.answered_by = Some(by);
    end_cancelled(&mut job, ctx);
    touch(job, ctx)
}

fn touch(mut job: Job, ctx: Context<'_>) -> Job {
    job.updated_at = super::later_than(job.updated_at, ctx);
    job
}
