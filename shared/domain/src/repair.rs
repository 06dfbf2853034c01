//! What a due job asks of the sweep.

use crate::job::{DispatchState, Job, Status};
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::transition::gives_up_waiting_at;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    Nothing,
    /// Its task should have run: ask the queue, make the next one if it is gone.
    CheckTask,
    /// Its worker was lost.
    Recover,
    /// It waited for an engine, its storage or a budget, and that wait is over.
    TakeSlot,
    /// It waited too long for its turn.
    GiveUpWaiting,
    /// Its bytes did not all come in time.
    ExpireUpload,
    /// It is finished, and what follows from that is not.
    RunEffects,
    /// Its time is over.
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
        _ if job.expires_at.is_some_and(|at| now.has_reached(at)) => Repair::Expire,
        _ => Repair::Nothing,
    }
}
