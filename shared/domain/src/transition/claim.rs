//! Claiming a job, renewing its lease, and recovering it from a lost worker.

use super::{Context, Step, check_fence, end, extend_lease};
use crate::code::Code;
use crate::command::{Action, Refusal};
use crate::failure::Failure;
use crate::id::Nonce;
use crate::job::{DispatchState, Job, Status};
use crate::wait_reason::{WaitCode, WaitReason};

pub fn claim(mut job: Job, owner: Nonce, ctx: Context<'_>) -> Result<Step, Refusal> {
    match job.status {
        Status::Processing if job.lease.owner == Some(owner) => return Ok(Step::without_actions(job)),
        Status::Queued | Status::Processing => {}
        Status::Uploading => return Err(Refusal::NotQueued(job.status)),
        ended => return Err(Refusal::Finished(ended)),
    }
    if let Some(until) = job.held_after(ctx.now, ctx.rules) {
        return Err(Refusal::LeaseHeld { until });
    }
    job.lease.fence += 1;
    if job.attempt >= ctx.rules.max_attempts {
        return Ok(end(job, ctx, &Failure::of(Code::WorkerLost)));
    }
    job.status = Status::Processing;
    job.attempt += 1;
    job.started_at = job.started_at.or(Some(ctx.now));
    job.lease.owner = Some(owner);
    // A delivery may arrive before the job got a slot. From now on the job holds one.
    job.dispatch.state = DispatchState::Enqueued;
    job.dispatch.not_before = None;
    job.waiting_for = None;
    job.waiting_until = None;
    job.done_at_claim = job.work_done();
    extend_lease(&mut job, ctx.now, ctx.rules);
    Ok(Step::without_actions(job))
}

pub fn renew(mut job: Job, fence: u64, ctx: Context<'_>) -> Result<Step, Refusal> {
    check_fence(&job, fence)?;
    extend_lease(&mut job, ctx.now, ctx.rules);
    Ok(Step::without_actions(job))
}

pub fn file_verified(mut job: Job, fence: u64, index: usize, ctx: Context<'_>) -> Result<Step, Refusal> {
    check_fence(&job, fence)?;
    if let Some(file) = job.files.get_mut(index) {
        file.verified = true;
    }
    extend_lease(&mut job, ctx.now, ctx.rules);
    Ok(Step::without_actions(job))
}

pub fn fail_file(mut job: Job, fence: u64, index: usize, failure: &Failure, ctx: Context<'_>) -> Result<Step, Refusal> {
    check_fence(&job, fence)?;
    if let Some(file) = job.files.get_mut(index).filter(|file| !file.status.is_settled()) {
        file.fail(failure.clone());
    }
    extend_lease(&mut job, ctx.now, ctx.rules);
    Ok(Step::without_actions(job))
}

pub fn recover(job: Job, ctx: Context<'_>) -> Result<Step, Refusal> {
    let fence = job.lease.fence;
    if job.held_after(ctx.now, ctx.rules).is_some() { Err(Refusal::NotDue) } else { worker_gone(job, fence, ctx) }
}

pub fn worker_gone(mut job: Job, fence: u64, ctx: Context<'_>) -> Result<Step, Refusal> {
    match job.status {
        Status::Processing if job.lease.fence == fence => {}
        Status::Processing => return Err(Refusal::Fenced { fence: job.lease.fence }),
        Status::Queued | Status::Uploading => return Err(Refusal::NotQueued(job.status)),
        ended => return Err(Refusal::Finished(ended)),
    }
    job.lease.fence += 1;
    job.wait_reason = Some(WaitReason::new(WaitCode::WorkerLost, None, ctx.now));
    if job.attempt >= ctx.rules.max_attempts {
        return Ok(end(job, ctx, &Failure::of(Code::WorkerLost)));
    }
    requeue(&mut job);
    job.due_at = Some(ctx.now + ctx.rules.enqueue_grace);
    Ok(Step { job, actions: vec![Action::Enqueue] })
}

/// Returns the job to `queued`; a new task has to be created for it.
pub fn requeue(job: &mut Job) {
    job.status = Status::Queued;
    job.lease.owner = None;
    job.lease.until = None;
    job.dispatch.state = DispatchState::Pending;
    job.dispatch.number += 1;
    job.dispatch.not_before = None;
}
