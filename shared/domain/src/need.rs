//! What a due job asks of the sweep.

use crate::job::{DispatchState, Job, Status};
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::transition::gives_up_waiting_at;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Nothing,
    /// Its task should have run: ask the queue, make the next one if it is gone.
    CheckTask,
    /// Its worker was lost.
    Recover,
    /// It waited for an engine, its storage or a budget, and that wait is over.
    TakeTurn,
    /// It waited too long for its turn.
    GiveUpWaiting,
    /// Its bytes did not all come in time.
    ExpireUpload,
    /// It is finished, and what follows from that is not.
    RunEffects,
    /// Its time is over.
    Expire,
}

pub fn need(job: &Job, now: Timestamp, rules: &Rules) -> Need {
    if !job.due_at.is_some_and(|due| now.has_reached(due)) {
        return Need::Nothing;
    }
    match job.status {
        Status::Uploading => Need::ExpireUpload,
        Status::Queued if now.has_reached(gives_up_waiting_at(job, rules)) => Need::GiveUpWaiting,
        Status::Queued if job.is_parked() => Need::TakeTurn,
        Status::Queued if job.dispatch.state == DispatchState::Waiting => Need::Nothing,
        Status::Queued => Need::CheckTask,
        Status::Processing => Need::Recover,
        _ if job.effects.push.is_due(now) || job.effects.cleanup.is_due(now) => Need::RunEffects,
        _ if job.expires_at.is_some_and(|at| now.has_reached(at)) => Need::Expire,
        _ => Need::Nothing,
    }
}
