//! After a job's end: the push, the clean-up, and the time at which the job is deleted.

use super::{Context, Step};
use crate::command::{Action, Refusal};
use crate::job::{Audio, Effect, Job};
use crate::time::Timestamp;

/// Checks that an effect belongs to the job's current end. A retry since then has raised the fence.
fn check_end(job: &Job, fence: u64) -> Result<(), Refusal> {
    if !job.status.is_terminal() || job.lease.fence != fence {
        return Err(Refusal::Fenced { fence: job.lease.fence });
    }
    Ok(())
}

pub fn push_done(mut job: Job, fence: u64, ctx: Context<'_>) -> Result<Step, Refusal> {
    check_end(&job, fence)?;
    if job.effects.push.due().is_some() {
        job.effects.push = Effect::Done(ctx.now);
        schedule(&mut job, ctx);
    }
    Ok(Step::without_actions(job))
}

pub fn push_later(mut job: Job, fence: u64, at: Timestamp, ctx: Context<'_>) -> Result<Step, Refusal> {
    check_end(&job, fence)?;
    if job.effects.push.due().is_some() {
        let given_up = job.completed_at.is_some_and(|end| ctx.now.has_reached(end + ctx.rules.push_give_up));
        job.effects.push = if given_up { Effect::Done(ctx.now) } else { Effect::Due(at) };
        schedule(&mut job, ctx);
    }
    Ok(Step::without_actions(job))
}

pub fn audio_gone(mut job: Job, fence: u64) -> Result<Step, Refusal> {
    check_end(&job, fence)?;
    job.audio = Audio::Gone;
    Ok(Step::without_actions(job))
}

pub fn cleaned_up(mut job: Job, fence: u64, ctx: Context<'_>) -> Result<Step, Refusal> {
    check_end(&job, fence)?;
    if job.effects.cleanup.due().is_some() {
        job.effects.cleanup = Effect::Done(ctx.now);
        schedule(&mut job, ctx);
    }
    Ok(Step::without_actions(job))
}

pub fn expire(job: Job, ctx: Context<'_>) -> Result<Step, Refusal> {
    match job.expires_at {
        Some(at) if ctx.now.has_reached(at) => Ok(Step { job, actions: vec![Action::Forget] }),
        _ => Err(Refusal::NotDue),
    }
}

/// Sets when the job has to be looked at next and when it is deleted: after the retention, and not before a day has passed
/// since its clean-up.
pub fn schedule(job: &mut Job, ctx: Context<'_>) {
    let end = job.completed_at.unwrap_or(ctx.now);
    job.expires_at = match job.effects.cleanup {
        Effect::Due(_) => None,
        Effect::Done(at) => Some((end + ctx.rules.retention).max(at + ctx.rules.expire_after_cleanup)),
        Effect::None => Some(end + ctx.rules.retention),
    };
    let next = [job.effects.push.due(), job.effects.cleanup.due()].into_iter().flatten().min();
    // Effects that are due at once are run by whoever ended the job. The sweep runs them if that was interrupted.
    job.due_at = next.map(|at| at.max(ctx.now + ctx.rules.effects_grace)).or(job.expires_at);
}
