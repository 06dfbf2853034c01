//! The repair that the sweep has to make for a job that is due.

use crate::job::{DispatchState, Job, Status};
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::transition::gives_up_waiting_at;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    Nothing,
    /// The job's task should have run. Ask the queue, and create the next task if this one is gone.
    CheckTask,
    /// The job's worker was lost.
    Recover,
    /// The job waited for an engine, its storage or a budget, and that wait is over.
    TakeSlot,
    /// The job waited too long for its slot.
    GiveUpWaiting,
    /// The bytes of the upload session did not all arrive in time.
    ExpireUpload,
    /// The job has ended, and some of its effects are due.
    RunEffects,
    /// The retention of the job is over.
    Expire,
}

pub fn needed_repair(job: &Job, now: Timestamp, rules: &Rules) -> Repair {
    if !job.due_at.is_some_and(|due| now.has_reached(due)) {
        return Repair::Nothing;
    }
    match job.status {
        Status::Uploading => Repair::ExpireUpload,
        Status::Queued if now.has_reached(gives_up_waiting_at(job, rules)) => Repair::GiveUpWaiting,
        Status::Queued if job.is_parked() => Repair::TakeSlot,
        Status::Queued if job.dispatch.state == DispatchState::Waiting => Repair::Nothing,
        Status::Queued => Repair::CheckTask,
        Status::Processing => Repair::Recover,
        _ if job.effects.push.is_due(now) || job.effects.cleanup.is_due(now) => Repair::RunEffects,
        _ if job.has_expired(now) => Repair::Expire,
        _ => Repair::Nothing,
    }
}
