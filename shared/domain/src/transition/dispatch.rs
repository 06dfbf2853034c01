//! How a queued job gets its task: from `waiting` to `pending` to `enqueued`.

use super::{Context, Step, end};
use crate::code::Code;
use crate::command::{Action, Refusal};
use crate::failure::Failure;
use crate::job::{DispatchState, Job, Status, WaitingFor};
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::wait_reason::{WaitCode, WaitReason};

pub fn enqueued(mut job: Job, number: u32, schedule: Option<Timestamp>, ctx: Context<'_>) -> Result<Step, Refusal> {
    if job.dispatch.number != number {
        return Err(Refusal::Redispatched { number: job.dispatch.number });
    }
    // The task may have run before its creator reports it. Then there is nothing to mark.
    if job.status == Status::Queued && job.dispatch.state != DispatchState::Waiting {
        job.dispatch.state = DispatchState::Enqueued;
        job.due_at = Some(schedule.unwrap_or(ctx.now).max(ctx.now) + ctx.rules.task_grace);
    }
    Ok(Step::without_actions(job))
}

pub fn task_gone(mut job: Job, number: u32, ctx: Context<'_>) -> Result<Step, Refusal> {
    if job.status != Status::Queued || job.dispatch.state == DispatchState::Waiting {
        return Err(Refusal::NotQueued(job.status));
    }
    if job.dispatch.number != number {
        return Err(Refusal::Redispatched { number: job.dispatch.number });
    }
    job.dispatch.state = DispatchState::Pending;
    job.dispatch.number += 1;
    job.due_at = Some(ctx.now + ctx.rules.enqueue_grace);
    Ok(Step { job, actions: vec![Action::Enqueue] })
}

pub fn promote(mut job: Job, ctx: Context<'_>) -> Result<Step, Refusal> {
    if !job.waits_for_slot() {
        return Err(Refusal::NotQueued(job.status));
    }
    take_slot(&mut job, true, ctx);
    Ok(Step { job, actions: vec![Action::Enqueue] })
}

/// Decides whether the job keeps the slot that it took before the slots were counted. A job that keeps it is not written:
/// the mark of its task does that.
pub fn settle_slot(mut job: Job, ctx: Context<'_>) -> Result<Step, Refusal> {
    if job.status != Status::Queued {
        return Err(Refusal::NotQueued(job.status));
    }
    if job.holds_provisional_slot() && !ctx.slot_free {
        take_slot(&mut job, false, ctx);
    }
    Ok(Step::without_actions(job))
}

pub fn return_to_line(mut job: Job, ctx: Context<'_>) -> Result<Step, Refusal> {
    if job.status != Status::Queued {
        return Err(Refusal::NotQueued(job.status));
    }
    if !job.is_parked() {
        // The command was applied before: the job has a slot or is in line for one.
        let actions = if job.dispatch.state == DispatchState::Pending { vec![Action::Enqueue] } else { vec![] };
        return Ok(Step { job, actions });
    }
    if !job.due_at.is_some_and(|due| ctx.now.has_reached(due)) {
        return Err(Refusal::NotDue);
    }
    job.dispatch.number += 1;
    job.waiting_until = None;
    if !ctx.slot_free {
        // While the job is in line for a slot, it does not wait for the service.
        job.waiting_since = None;
    }
    take_slot(&mut job, ctx.slot_free, ctx);
    Ok(Step { actions: if ctx.slot_free { vec![Action::Enqueue] } else { vec![] }, job })
}

pub fn wake(mut job: Job, ctx: Context<'_>) -> Result<Step, Refusal> {
    if job.effects.push.is_due(ctx.now) || job.effects.cleanup.is_due(ctx.now) {
        job.due_at = Some(ctx.now);
        return Ok(Step { job, actions: vec![Action::RunEffects] });
    }
    if job.status != Status::Queued {
        return Err(Refusal::NotQueued(job.status));
    }
    if job.waits_for_slot() {
        return Err(Refusal::NotRetryable("the job waits for its turn behind other jobs of its user"));
    }
    let parked = job.is_parked();
    let awake = (parked || job.dispatch.state == DispatchState::Pending) && job.dispatch.not_before.is_none();
    if awake && job.due_at.is_some_and(|due| ctx.now.has_reached(due)) {
        return Ok(Step { job, actions: vec![Action::Enqueue] });
    }
    due_at_once(&mut job, ctx);
    Ok(Step { job, actions: vec![Action::Enqueue] })
}

/// Makes a queued job due now. A parked job takes its slot when it is processed as due.
pub fn due_at_once(job: &mut Job, ctx: Context<'_>) {
    if !job.is_parked() {
        job.dispatch.state = DispatchState::Pending;
    }
    job.dispatch.number += 1;
    job.dispatch.not_before = None;
    job.waiting_until = None;
    job.due_at = Some(ctx.now);
}

/// Gives a job that enters the queue a free slot, or puts it in line for one.
pub fn take_slot(job: &mut Job, free: bool, ctx: Context<'_>) {
    job.dispatch.not_before = None;
    job.dispatch.slot_is_provisional = free && ctx.slot_is_provisional;
    if free {
        job.dispatch.state = DispatchState::Pending;
        job.waiting_for = None;
        job.wait_reason = job.wait_reason.take().filter(|reason| reason.code != WaitCode::Turn);
        job.due_at = Some(ctx.now + ctx.rules.enqueue_grace);
    } else {
        job.dispatch.state = DispatchState::Waiting;
        job.waiting_for = Some(WaitingFor::Turn);
        job.wait_reason = Some(WaitReason::new(WaitCode::Turn, None, ctx.now));
        job.due_at = Some(gives_up_waiting_at(job, ctx.rules));
    }
}

/// The job waits no longer than this, because the bucket's lifecycle would delete its audio soon after.
pub fn gives_up_waiting_at(job: &Job, rules: &Rules) -> Timestamp {
    job.created_at + rules.audio_lifecycle.saturating_sub(rules.lifecycle_margin)
}

pub fn give_up_waiting(job: Job, ctx: Context<'_>) -> Result<Step, Refusal> {
    if job.status != Status::Queued {
        return Err(Refusal::NotQueued(job.status));
    }
    if !ctx.now.has_reached(gives_up_waiting_at(&job, ctx.rules)) {
        return Err(Refusal::NotDue);
    }
    Ok(end(job, ctx, &Failure::of(Code::WaitedTooLong)))
}
