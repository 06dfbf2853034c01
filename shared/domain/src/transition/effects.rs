//! After the end: the push, the clean-up, and the day on which the job is forgotten.

use super::{Context, Step};
use crate::command::{Action, Refusal};
use crate::job::{Audio, Effect, Job};
use crate::time::Timestamp;

/// An effect belongs to the end that caused it: a retry since has raised the fence.
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
    Ok(Step::quiet(job))
}

pub fn push_later(mut job: Job, fence: u64, at: Timestamp, ctx: Context<'_>) -> Result<Step, Refusal> {
    check_end(&job, fence)?;
    if job.effects.push.due().is_some() {
        let given_up = job.completed_at.is_some_and(|end| ctx.now.has_reached(end + ctx.rules.push_give_up));
        job.effects.push = if given_up { Effect::Done(ctx.now) } else { Effect::Due(at) };
        schedule(&mut job, ctx);
    }
    Ok(Step::quiet(job))
}

pub fn audio_gone(mut job: Job, fence: u64) -> Result<Step, Refusal> {
    check_end(&job, fence)?;
    job.audio = Audio::Gone;
    Ok(Step::quiet(job))
}

pub fn cleaned_up(mut job: Job, fence: u64, ctx: Context<'_>) -> Result<Step, Refusal> {
    check_end(&job, fence)?;
    if job.effects.cleanup.due().is_some() {
        job.effects.cleanup = Effect::Done(ctx.now);
        schedule(&mut job, ctx);
    }
    Ok(Step::quiet(job))
}

pub fn expire(job: Job, ctx: Context<'_>) -> Result<Step, Refusal> {
    match job.expires_at {
        Some(at) if ctx.now.has_reached(at) => Ok(Step { job, actions: vec![Action::Forget] }),
        _ => Err(Refusal::NotDue),
    }
}

/// When the job has to be looked at next, and when it is forgotten: a retention after its end, and not before its
/// clean-up lies a day back.
pub fn schedule(job: &mut Job, ctx: Context<'_>) {
    let end = job.completed_at.unwrap_or(ctx.now);
    job.expires_at = match job.effects.cleanup {
        Effect::Due(_) => None,
        Effect::Done(at) => Some((end + ctx.rules.retention).max(at + ctx.rules.expire_after_cleanup)),
        Effect::None => Some(end + ctx.rules.retention),
    };
    let next = [job.effects.push.due(), job.effects.cleanup.due()].into_iter().flatten().min();
    // Whoever ended the job runs what is due at once; the sweep comes in when that was cut off.
    job.due_at = next.map(|at| at.max(ctx.now + ctx.rules.effects_grace)).or(job.expires_at);
}
