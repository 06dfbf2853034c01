//! The end of a job: its status follows from its files, and its result or error and its effects are set.

use super::{Context, Step, check_fence};
use crate::code::Code;
use crate::command::{Action, Refusal};
use crate::failure::Failure;
use crate::job::{Audio, Effect, Effects, Job, JobResult, Status};
use crate::job_file::{FileStatus, JobFile};

pub fn finish(job: Job, fence: u64, ctx: Context<'_>) -> Result<Step, Refusal> {
    if job.status.is_terminal() && job.lease.fence == fence && job.status != Status::Cancelled {
        return Ok(already_ended(job, ctx));
    }
    check_fence(&job, fence)?;
    if job.files.iter().any(|file| !file.status.is_settled()) {
        return Err(Refusal::FilesOpen);
    }
    Ok(end(job, ctx, &Failure::of(Code::Internal)))
}

/// Ends the job now. Files that are still open fail with `unfinished`.
pub fn end(mut job: Job, ctx: Context<'_>, unfinished: &Failure) -> Step {
    for file in job.files.iter_mut().filter(|file| !file.status.is_settled()) {
        file.fail(unfinished.clone());
    }
    job.status = outcome(&job.files);
    job.error = worst(&job.files).cloned();
    job.result = (job.status != Status::Failed).then(|| result(&job));
    let push = Effect::Due(ctx.now);
    let keeps_audio = match job.status {
        Status::Completed => ctx.rules.keep_audio,
        // A retry would change nothing.
        _ if job.files.iter().all(JobFile::is_no_audio) || is_done(&job) => ctx.rules.keep_audio,
        _ => ctx.rules.retention.max(ctx.rules.keep_audio),
    };
    let cleanup = if job.audio == Audio::Staged { Effect::Due(ctx.now + keeps_audio) } else { Effect::None };
    if keeps_audio.is_zero() {
        // No retry will need the audio. Marking it here saves the transaction that would mark it before the clean-up.
        job.audio = Audio::Gone;
    }
    close(&mut job, Effects { push, cleanup }, ctx);
    Step { job, actions: vec![Action::PromoteNext, Action::RunEffects] }
}

pub fn cancel(mut job: Job, ctx: Context<'_>) -> Result<Step, Refusal> {
    match job.status {
        Status::Cancelled => return Ok(already_ended(job, ctx)),
        ended if ended.is_terminal() => return Err(Refusal::Finished(ended)),
        _ => {}
    }
    end_cancelled(&mut job, ctx);
    Ok(Step { job, actions: vec![Action::PromoteNext, Action::RunEffects] })
}

/// Ends a job that is no longer wanted: its audio is deleted at once, and no push is sent.
pub fn end_cancelled(job: &mut Job, ctx: Context<'_>) {
    // Whoever ends a job in place of its worker raises the fence, so that the worker stops at its next write.
    job.lease.fence += 1;
    job.status = Status::Cancelled;
    let cleanup = if job.audio == Audio::Staged { Effect::Due(ctx.now) } else { Effect::None };
    job.audio = Audio::Gone;
    close(job, Effects { push: Effect::None, cleanup }, ctx);
}

/// The answer to a repeated command whose first response was lost: the caller runs the effects that are due.
pub fn already_ended(job: Job, ctx: Context<'_>) -> Step {
    let open = job.effects.push.is_due(ctx.now) || job.effects.cleanup.is_due(ctx.now);
    Step { actions: if open { vec![Action::RunEffects] } else { vec![] }, job }
}

fn close(job: &mut Job, effects: Effects, ctx: Context<'_>) {
    job.completed_at = Some(ctx.now);
    job.lease.owner = None;
    job.lease.until = None;
    job.waiting_for = None;
    job.waiting_since = None;
    job.waiting_until = None;
    if !matches!(job.status, Status::Failed | Status::PartialFailure) {
        job.wait_reason = None;
    }
    job.effects = effects;
    super::effects::schedule(job, ctx);
}

/// Whether nothing is left to do for any file of the job, even if some could be decoded only in part.
pub fn is_done(job: &Job) -> bool {
    job.files.iter().all(|file| file.status.is_good())
}

fn outcome(files: &[JobFile]) -> Status {
    if files.iter().all(JobFile::is_whole) {
        Status::Completed
    } else if files.iter().all(|file| file.status == FileStatus::Failed && file.counts.done() == 0) {
        Status::Failed
    } else {
        Status::PartialFailure
    }
}

/// The failure that the job reports: preferably one that a retry may fix.
fn worst(files: &[JobFile]) -> Option<&Failure> {
    let failures = || files.iter().filter_map(|file| file.failure.as_ref());
    failures().find(|failure| failure.retryable).or_else(|| failures().next())
}

fn result(job: &Job) -> JobResult {
    let progress = job.progress();
    JobResult {
        new_conversation_ids: job.new_conversation_ids.clone(),
        updated_conversation_ids: job.updated_conversation_ids.clone(),
        failed_segments: progress.failed,
        total_segments: progress.total,
        transcribed_ms: job.files.iter().map(|file| file.counts.placed_ms).sum(),
    }
}

/// Ends a new job whose recordings are all finished already. No push is sent. The job is completed, or partly failed if
/// one of the recordings could be decoded only in part.
pub fn create_finished(mut job: Job, ctx: Context<'_>) -> Job {
    let mut known: Vec<_> = job.files.iter().flat_map(|file| file.conversation_ids.iter().copied()).collect();
    known.sort_unstable();
    known.dedup();
    job.updated_conversation_ids = known;
    let mut ended = end(job, ctx, &Failure::of(Code::Internal)).job;
    ended.started_at = Some(ctx.now);
    ended.effects.push = Effect::None;
    super::effects::schedule(&mut ended, ctx);
    ended
}
