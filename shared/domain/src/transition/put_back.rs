//! A delivery that ends before its job does: when the job comes again, and whether the attempt counts.

use std::time::Duration;

use super::claim::requeue;
use super::dispatch::waits_until;
use super::{Context, Step, check_fence, end};
use crate::code::{Blame, Code};
use crate::command::{Action, PutBack, Refusal};
use crate::failure::Failure;
use crate::job::{DispatchState, Job, Status, WaitingFor};
use crate::rules::Rules;
use crate::time::Timestamp;

pub fn put_back(mut job: Job, fence: u64, cause: &PutBack, jitter: f64, ctx: Context<'_>) -> Result<Step, Refusal> {
    if job.status == Status::Queued && job.lease.fence == fence {
        return Ok(Step { job, actions: vec![Action::Enqueue] });
    }
    check_fence(&job, fence)?;
    if let Some(failure) = gives_up(&job, cause, ctx) {
        return Ok(end(job, ctx, &failure));
    }
    let at = comes_again(&job, cause, jitter, ctx);
    if !counts(&job, cause) {
        job.attempt = job.attempt.saturating_sub(1);
    }
    if job.has_progressed() {
        job.waiting_since = None;
    }
    requeue(&mut job);
    let at = match waits(cause) {
        Some(waiting_for) => {
            // The longest wait ends when it is over, not with the next look after it.
            let at = at.min(job.waiting_since.unwrap_or(ctx.now) + ctx.rules.max_wait);
            park(&mut job, waiting_for, at, ctx.now);
            at
        }
        None => {
            (job.waiting_for, job.waiting_until) = (None, None);
            at
        }
    };
    come_at(&mut job, at);
    Ok(Step { job, actions: follows(cause) })
}

/// What is away for one job is away for the next: only where it is this job's alone do others get its turn at once.
/// Otherwise the sweep gives it away when it has reason to.
fn follows(cause: &PutBack) -> Vec<Action> {
    match cause {
        PutBack::Language => vec![Action::Enqueue, Action::PromoteNext],
        _ => vec![Action::Enqueue],
    }
}

pub fn postpone(mut job: Job, until: Timestamp, waiting_for: WaitingFor, ctx: Context<'_>) -> Result<Step, Refusal> {
    if job.status != Status::Queued {
        return Err(Refusal::NotQueued(job.status));
    }
    let latest = job.waiting_since.unwrap_or(ctx.now) + ctx.rules.max_wait;
    let until = until.min(latest).min(waits_until(&job, ctx.rules));
    // Its own effect; but a task that was made for it and came too early needs a successor.
    let again = job.waiting_for == Some(waiting_for) && job.waiting_until == Some(until);
    if again && job.dispatch.state == DispatchState::Waiting {
        return Ok(Step { job, actions: vec![Action::Enqueue] });
    }
    if waited_too_long(&job, ctx) {
        return Ok(end(job, ctx, &too_long(waiting_for)));
    }
    job.dispatch.number += 1;
    park(&mut job, waiting_for, until, ctx.now);
    come_at(&mut job, until);
    Ok(Step { job, actions: vec![Action::Enqueue] })
}

/// The job's own due time is its retry schedule; the task is only its wake-up.
fn come_at(job: &mut Job, at: Timestamp) {
    job.dispatch.not_before = Some(at);
    job.due_at = Some(at);
}

/// Whoever waits for something else than a turn holds none. Its task is a wake-up at the end of the wait.
fn park(job: &mut Job, what: WaitingFor, until: Timestamp, now: Timestamp) {
    job.dispatch.state = DispatchState::Waiting;
    job.waiting_for = Some(what);
    job.waiting_until = Some(until);
    job.waiting_since = job.waiting_since.or(Some(now));
}

fn waits(cause: &PutBack) -> Option<WaitingFor> {
    match cause {
        PutBack::Engine { .. } | PutBack::Language => Some(WaitingFor::Engine),
        PutBack::Budget { .. } => Some(WaitingFor::Budget),
        PutBack::Storage { .. } => Some(WaitingFor::Storage),
        PutBack::Fault { .. } | PutBack::Deadline | PutBack::Shutdown | PutBack::ForOthers => None,
    }
}

/// The worker's own doing counts, unless the delivery got something done. What is away counts against nobody: else a few
/// minutes of it would end every job.
fn counts(job: &Job, cause: &PutBack) -> bool {
    match cause {
        PutBack::Fault { .. } | PutBack::Deadline => !job.has_progressed(),
        PutBack::Shutdown | PutBack::ForOthers => false,
        PutBack::Engine { .. } | PutBack::Language | PutBack::Budget { .. } | PutBack::Storage { .. } => false,
    }
}

fn gives_up(job: &Job, cause: &PutBack, ctx: Context<'_>) -> Option<Failure> {
    if let Some(waiting_for) = waits(cause) {
        let late = waited_too_long(job, ctx) || ctx.now.has_reached(waits_until(job, ctx.rules));
        return (late && !job.has_progressed()).then(|| too_long(waiting_for));
    }
    if !counts(job, cause) || job.attempt < ctx.rules.max_attempts {
        return None;
    }
    Some(match cause {
        PutBack::Fault { code, .. } => Failure::of(*code),
        _ => Failure::of(Code::Internal),
    })
}

fn waited_too_long(job: &Job, ctx: Context<'_>) -> bool {
    job.waiting_since.is_some_and(|since| ctx.now.has_reached(since + ctx.rules.max_wait))
}

fn too_long(waiting_for: WaitingFor) -> Failure {
    match waiting_for {
        WaitingFor::Budget => Failure::because(Code::WaitedTooLong, "the job waited too long for the daily budget")
            .blamed_on(Blame::Limit),
        WaitingFor::Engine => Failure::because(Code::WaitedTooLong, "the job waited too long for the speech engine"),
        WaitingFor::Storage => Failure::because(Code::WaitedTooLong, "the job waited too long for its storage"),
        WaitingFor::Turn => Failure::because(Code::WaitedTooLong, "the job waited too long for its turn"),
    }
}

fn comes_again(job: &Job, cause: &PutBack, jitter: f64, ctx: Context<'_>) -> Timestamp {
    let rules = ctx.rules;
    let wait = match cause {
        PutBack::Deadline | PutBack::Shutdown | PutBack::ForOthers => Duration::ZERO,
        PutBack::Budget { until } => ctx.now.until(*until),
        PutBack::Fault { retry_after, .. } => {
            spread(doubled(rules, job.attempt.saturating_sub(1)), jitter).max(retry_after.unwrap_or_default())
        }
        PutBack::Language => wait_for_a_service(job, jitter, ctx.now, rules),
        PutBack::Engine { retry_after } | PutBack::Storage { retry_after } => {
            wait_for_a_service(job, jitter, ctx.now, rules).max(retry_after.unwrap_or_default())
        }
    };
    // A provider may ask for days; the longest wait still ends the job in time.
    ctx.now + wait.min(rules.max_wait)
}

/// How long a job waits for a service that is away. No attempt counts here, so the wait grows with the time already
/// waited.
pub fn wait_for_a_service(job: &Job, jitter: f64, now: Timestamp, rules: &Rules) -> Duration {
    let waited = job.waiting_since.map_or(Duration::ZERO, |since| since.until(now));
    spread(waited.clamp(rules.backoff_min, rules.backoff_max), jitter)
}

fn doubled(rules: &Rules, times: u32) -> Duration {
    rules.backoff_min.saturating_mul(1 << times.min(16)).min(rules.backoff_max)
}

/// Between half and all of the wait, so that jobs that failed together do not come back together.
fn spread(wait: Duration, jitter: f64) -> Duration {
    wait.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}
