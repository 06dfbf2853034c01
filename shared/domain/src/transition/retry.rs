//! A retry on request: a failed job runs again for everything that is not done.

use super::{Context, Step, dispatch, is_done};
use crate::command::{Action, Refusal};
use crate::id::Nonce;
use crate::job::{Audio, Effects, Job, Status};

pub fn retry(mut job: Job, key: Nonce, ctx: Context<'_>) -> Result<Step, Refusal> {
    if job.retry_key == Some(key) {
        return Ok(Step { actions: if job.status == Status::Queued { vec![Action::Enqueue] } else { vec![] }, job });
    }
    check(&job, ctx)?;
    job.files.iter_mut().for_each(crate::job_file::JobFile::reopen);
    job.status = Status::Queued;
    job.attempt = 0;
    // The effects of the earlier end are void. The new fence stops whoever still runs them.
    job.lease.fence += 1;
    job.dispatch.number += 1;
    job.completed_at = None;
    job.expires_at = None;
    job.error = None;
    job.result = None;
    job.waiting_since = None;
    job.waiting_until = None;
    job.wait_reason = None;
    job.effects = Effects::default();
    job.retry_key = Some(key);
    dispatch::take_slot(&mut job, ctx.slot_free, ctx);
    let actions = if ctx.slot_free { vec![Action::Enqueue] } else { vec![] };
    Ok(Step { job, actions })
}

fn check(job: &Job, ctx: Context<'_>) -> Result<(), Refusal> {
    if !matches!(job.status, Status::Failed | Status::PartialFailure) {
        return Err(Refusal::NotRetryable("only a failed or partly failed job can be retried"));
    }
    if is_done(job) {
        return Err(Refusal::NotRetryable("all that can be decoded is transcribed; a retry would change nothing"));
    }
    if job.audio == Audio::Gone {
        return Err(Refusal::NotRetryable("the audio of the job is gone; upload it again"));
    }
    let needs = ctx.rules.max_wait + ctx.rules.retention;
    if (ctx.now + needs).has_reached(job.created_at + ctx.rules.audio_lifecycle) {
        return Err(Refusal::NotRetryable("the audio of the job is too old; upload it again"));
    }
    Ok(())
}
