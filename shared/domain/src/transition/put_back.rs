//! Putting a job back when its delivery ends early: when the job is delivered again, and whether the attempt counts.

use std::time::Duration;

use super::claim::requeue;
use super::dispatch::gives_up_waiting_at;
use super::{Context, Step, check_fence, end};
use crate::code::{Blame, Code};
use crate::command::{Action, PutBack, Refusal};
use crate::failure::Failure;
use crate::job::{DispatchState, Job, Status, WaitingFor};
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::wait_reason::{Explanation, WaitReason};

pub fn put_back(
    mut job: Job,
    fence: u64,
    cause: &PutBack,
    jitter: f64,
    explanation: Option<&Explanation>,
    ctx: Context<'_>,
) -> Result<Step, Refusal> {
    if job.status == Status::Queued && job.lease.fence == fence {
        return Ok(Step { job, actions: vec![Action::Enqueue] });
    }
    check_fence(&job, fence)?;
    job.wait_reason = Some(WaitReason::new(cause.into(), explanation, ctx.now));
    if let Some(failure) = gives_up_with(&job, cause, ctx) {
        return Ok(end(job, ctx, &failure));
    }
    let at = retry_at(&job, cause, jitter, ctx);
    if !counts_as_attempt(&job, cause) {
        job.attempt = job.attempt.saturating_sub(1);
    }
    if job.has_progressed() {
        job.waiting_since = None;
    }
    requeue(&mut job);
    let at = match waits_for(cause) {
        Some(waiting_for) => {
            // The longest wait ends on time, and not only with the first delivery after it.
            let at = at.min(job.waiting_since.unwrap_or(ctx.now) + ctx.rules.max_wait);
            park(&mut job, waiting_for, at, ctx.now);
            at
        }
        None => {
            (job.waiting_for, job.waiting_until) = (None, None);
            at
        }
    };
    deliver_at(&mut job, at);
    Ok(Step { job, actions: actions_after(cause) })
}

/// Other jobs of the user get the slot at once only if the cause concerns this job alone. Anything else that is
/// unavailable for this job is unavailable for the next one too; the sweep gives the slot away when there is reason to.
fn actions_after(cause: &PutBack) -> Vec<Action> {
    match cause {
        PutBack::Language => vec![Action::Enqueue, Action::PromoteNext],
        _ => vec![Action::Enqueue],
    }
}

pub fn postpone(
    mut job: Job,
    until: Timestamp,
    waiting_for: WaitingFor,
    explanation: Option<&Explanation>,
    ctx: Context<'_>,
) -> Result<Step, Refusal> {
    if job.status != Status::Queued {
        return Err(Refusal::NotQueued(job.status));
    }
    let latest = job.waiting_since.unwrap_or(ctx.now) + ctx.rules.max_wait;
    let until = until.min(latest).min(gives_up_waiting_at(&job, ctx.rules));
    // The command was applied before. If its task ran too early, the job still needs a new one.
    let again = job.waiting_for == Some(waiting_for) && job.waiting_until == Some(until);
    if again && job.dispatch.state == DispatchState::Waiting {
        return Ok(Step { job, actions: vec![Action::Enqueue] });
    }
    job.wait_reason = Some(WaitReason::new(waiting_for.into(), explanation, ctx.now));
    if waited_too_long(&job, ctx) {
        return Ok(end(job, ctx, &waited_too_long_failure(waiting_for)));
    }
    job.dispatch.number += 1;
    park(&mut job, waiting_for, until, ctx.now);
    deliver_at(&mut job, until);
    Ok(Step { job, actions: vec![Action::Enqueue] })
}

/// Schedules the next delivery. The job's due time is authoritative; the task is only a wake-up.
fn deliver_at(job: &mut Job, at: Timestamp) {
    job.dispatch.not_before = Some(at);
    job.due_at = Some(at);
}

/// Parks the job: it waits for something other than a slot and therefore holds none. Its task is a wake-up at the end of
/// the wait.
fn park(job: &mut Job, what: WaitingFor, until: Timestamp, now: Timestamp) {
    job.dispatch.state = DispatchState::Waiting;
    job.waiting_for = Some(what);
    job.waiting_until = Some(until);
    job.waiting_since = job.waiting_since.or(Some(now));
}

fn waits_for(cause: &PutBack) -> Option<WaitingFor> {
    match cause {
        PutBack::Engine { .. } | PutBack::Language => Some(WaitingFor::Engine),
        PutBack::Budget { .. } => Some(WaitingFor::Budget),
        PutBack::Storage { .. } => Some(WaitingFor::Storage),
        PutBack::Fault { .. } | PutBack::Deadline | PutBack::Shutdown | PutBack::YieldToOthers => None,
    }
}

/// Whether the attempt counts. It does if the worker is to blame, unless the delivery made progress. An unavailable service
/// never counts: otherwise a few minutes of it would end every job.
fn counts_as_attempt(job: &Job, cause: &PutBack) -> bool {
    match cause {
        PutBack::Fault { .. } | PutBack::Deadline => !job.has_progressed(),
        PutBack::Shutdown | PutBack::YieldToOthers => false,
        PutBack::Engine { .. } | PutBack::Language | PutBack::Budget { .. } | PutBack::Storage { .. } => false,
    }
}

fn gives_up_with(job: &Job, cause: &PutBack, ctx: Context<'_>) -> Option<Failure> {
    if let Some(waiting_for) = waits_for(cause) {
        let late = waited_too_long(job, ctx) || ctx.now.has_reached(gives_up_waiting_at(job, ctx.rules));
        return (late && !job.has_progressed()).then(|| waited_too_long_failure(waiting_for));
    }
    if !counts_as_attempt(job, cause) || job.attempt < ctx.rules.max_attempts {
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

fn waited_too_long_failure(waiting_for: WaitingFor) -> Failure {
    match waiting_for {
        WaitingFor::Budget => Failure::because(Code::WaitedTooLong, "the job waited too long for the daily budget")
            .blamed_on(Blame::Limit),
        WaitingFor::Engine => Failure::because(Code::WaitedTooLong, "the job waited too long for the speech engine"),
        WaitingFor::Storage => Failure::because(Code::WaitedTooLong, "the job waited too long for its storage"),
        WaitingFor::Turn => Failure::because(Code::WaitedTooLong, "the job waited too long for its turn"),
    }
}

fn retry_at(job: &Job, cause: &PutBack, jitter: f64, ctx: Context<'_>) -> Timestamp {
    let rules = ctx.rules;
    let wait = match cause {
        PutBack::Deadline | PutBack::Shutdown | PutBack::YieldToOthers => Duration::ZERO,
        PutBack::Budget { until } => ctx.now.until(*until),
        PutBack::Fault { retry_after, .. } => {
            spread(doubled(rules, job.attempt.saturating_sub(1)), jitter).max(retry_after.unwrap_or_default())
        }
        PutBack::Language => wait_for_a_service(job, jitter, ctx.now, rules),
        PutBack::Engine { retry_after } | PutBack::Storage { retry_after } => {
            wait_for_a_service(job, jitter, ctx.now, rules).max(retry_after.unwrap_or_default())
        }
    };
    // A provider may ask for days. The longest wait still ends the job in time.
    ctx.now + wait.min(rules.max_wait)
}

/// How long a job waits for an unavailable service. No attempt counts here, so that the wait grows with the time already
/// waited instead.
pub fn wait_for_a_service(job: &Job, jitter: f64, now: Timestamp, rules: &Rules) -> Duration {
    let waited = job.waiting_since.map_or(Duration::ZERO, |since| since.until(now));
    spread(waited.clamp(rules.backoff_min, rules.backoff_max), jitter)
}

fn doubled(rules: &Rules, times: u32) -> Duration {
    rules.backoff_min.saturating_mul(1 << times.min(16)).min(rules.backoff_max)
}

/// A time between half and all of the wait, so that jobs that failed together are not retried together.
fn spread(wait: Duration, jitter: f64) -> Duration {
    wait.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}
