//! Repair of times written by a clock that ran ahead and was set back: a lease that does not end, or a wait longer than any
//! rule gives. A job that is due later than any rule allows becomes due now.

use std::time::Duration;

use super::{Context, Step, dispatch, effects};
use crate::command::{Action, Refusal};
use crate::job::{Effect, Job, Status};
use crate::rules::Rules;
use crate::time::Timestamp;

/// The clocks of instances may differ by this much. More is a sign that one ran ahead.
const SLACK: Duration = Duration::from_secs(600);

/// Whether a time was taken from a clock that ran ahead.
pub fn is_ahead(moment: Timestamp, now: Timestamp) -> bool {
    moment > now + SLACK
}

/// Whether a clock that ran ahead wrote this job: it changed in the future, or is due later than any rule allows.
pub fn is_from_clock_ahead(job: &Job, now: Timestamp, rules: &Rules) -> bool {
    let latest = latest_due(job, rules);
    is_ahead(job.updated_at, now) || job.due_at.is_some_and(|due| latest.is_some_and(|wait| is_ahead(due, now + wait)))
}

/// The longest time for which a rule puts a job off. `None` for a job in line for a slot: it is due shortly before its
/// audio is deleted, which is counted from its creation.
fn latest_due(job: &Job, rules: &Rules) -> Option<Duration> {
    match job.status {
        Status::Queued if job.waits_for_slot() => None,
        Status::Queued => Some(rules.max_wait.max(rules.backoff_max) + rules.task_grace),
        status => Some(latest_due_of(status, rules)),
    }
}

/// The time up to which due times of jobs with this status are plausible. For a job that is due later, [`is_from_clock_ahead`]
/// decides: a provider may have asked for a longer wait, and jobs in line for a slot are due very late.
pub fn latest_plausible_due(status: Status, now: Timestamp, rules: &Rules) -> Timestamp {
    now + latest_due_of(status, rules) + SLACK
}

fn latest_due_of(status: Status, rules: &Rules) -> Duration {
    match status {
        Status::Uploading => rules.upload_session,
        Status::Queued => rules.backoff_max + rules.task_grace,
        Status::Processing => rules.takeover_after(),
        Status::Completed | Status::PartialFailure | Status::Failed | Status::Cancelled => {
            rules.retention.max(rules.keep_audio) + rules.expire_after_cleanup
        }
    }
}

pub fn correct(mut job: Job, ctx: Context<'_>) -> Result<Step, Refusal> {
    if !is_from_clock_ahead(&job, ctx.now, ctx.rules) {
        return Err(Refusal::NotDue);
    }
    job.updated_at = ctx.now;
    for moment in [&mut job.waiting_since, &mut job.completed_at] {
        *moment = moment.map(|at| at.min(ctx.now));
    }
    let mut actions = Vec::new();
    match job.status {
        Status::Uploading => job.due_at = job.due_at.map(|due| due.min(ctx.now + ctx.rules.upload_session)),
        Status::Queued if job.waits_for_slot() => {}
        Status::Queued => {
            // The job's task, if it has one, is scheduled for the wrong time too.
            dispatch::due_at_once(&mut job, ctx);
            actions.push(Action::Enqueue);
        }
        Status::Processing => {
            let ends = |until: &Timestamp| is_ahead(*until, ctx.now + ctx.rules.lease);
            if job.lease.until.as_ref().is_none_or(ends) {
                // Another worker may take the job over now.
                job.lease.until = job.lease.until.map(|_| ctx.now - ctx.rules.takeover_margin());
                job.due_at = Some(ctx.now);
            }
        }
        Status::Completed | Status::PartialFailure | Status::Failed | Status::Cancelled => {
            correct_effects(&mut job, ctx)
        }
    }
    Ok(Step { job, actions })
}

fn correct_effects(job: &mut Job, ctx: Context<'_>) {
    let rules = ctx.rules;
    let not_after = |effect, longest: Duration| match effect {
        Effect::None => Effect::None,
        Effect::Due(at) => Effect::Due(at.min(ctx.now + longest)),
        Effect::Done(at) => Effect::Done(at.min(ctx.now)),
    };
    job.effects.push = not_after(job.effects.push, rules.push_give_up);
    job.effects.cleanup = not_after(job.effects.cleanup, rules.retention.max(rules.keep_audio));
    effects::schedule(job, ctx);
}
