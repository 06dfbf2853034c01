//! The job's state machine: one pure function from a job and a command to the job after it, or a refusal.
//!
//! Every store applies it inside one transaction and has no rules of its own. Each command may be repeated: it recognises
//! that it was applied before, and gives the same answer.

mod claim;
mod clock;
mod dispatch;
mod effects;
mod end;
mod put_back;
mod retry;
mod upload;

use crate::command::{Action, Command, Refusal};
use crate::job::{Job, Status};
use crate::rules::Rules;
use crate::time::Timestamp;

pub use clock::{is_from_clock_ahead, latest_plausible_due};
pub use dispatch::{gives_up_waiting_at, take_slot};
pub use end::{create_finished, end};
pub(crate) use end::{end_cancelled, is_done};
pub use put_back::wait_for_a_service;
pub(crate) use upload::{end_answered, end_expired};

/// The time and the rules by which an operation is decided.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    pub now: Timestamp,
    pub rules: &'a Rules,
}

impl<'a> At<'a> {
    /// The context of a command that does not depend on the user's slots.
    pub fn uncounted(&self) -> Context<'a> {
        Context { now: self.now, rules: self.rules, slot_free: false, slot_is_provisional: false }
    }

    /// The context in which a new job takes a slot that is counted afterwards ([`Command::SettleSlot`]), because
    /// counting reads what other jobs of the user write.
    pub fn with_provisional_slot(&self) -> Context<'a> {
        Context { slot_free: true, slot_is_provisional: true, ..self.uncounted() }
    }

    /// The context of a command that depends on the user's slots, of which this many are held.
    pub fn with_slots_held(&self, held: u32) -> Context<'a> {
        Context { slot_free: self.rules.free_slots(held) > 0, ..self.uncounted() }
    }
}

/// The inputs of a transition besides the job.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub now: Timestamp,
    pub rules: &'a Rules,
    /// Whether a slot of the user is free. Stores determine it only for commands with [`Command::needs_slot`].
    pub slot_free: bool,
    /// Whether a job that takes a slot does so before the slots are counted.
    pub slot_is_provisional: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub job: Job,
    pub actions: Vec<Action>,
}

impl Step {
    fn without_actions(job: Job) -> Self {
        Self { job, actions: Vec::new() }
    }

    pub fn asks_for(&self, action: Action) -> bool {
        self.actions.contains(&action)
    }
}

pub fn apply(job: &Job, command: &Command, ctx: Context<'_>) -> Result<Step, Refusal> {
    let mut step = decide(job.clone(), command, ctx)?;
    step.job.dispatch.slot_is_provisional = step.job.holds_provisional_slot();
    if step.job != *job {
        step.job.updated_at = later_than(job.updated_at, ctx);
    }
    Ok(step)
}

/// A time later than `updated_at`, even for two changes within one millisecond, because event streams resume by this time.
/// If a clock that ran far ahead wrote `updated_at`, the current time is used instead.
pub(crate) fn later_than(updated_at: Timestamp, ctx: Context<'_>) -> Timestamp {
    if clock::is_ahead(updated_at, ctx.now) {
        return ctx.now;
    }
    ctx.now.max(Timestamp::from_millis(updated_at.millis() + 1))
}

fn decide(job: Job, command: &Command, ctx: Context<'_>) -> Result<Step, Refusal> {
    match command {
        Command::Enqueued { number, schedule } => dispatch::enqueued(job, *number, *schedule, ctx),
        Command::TaskGone { number } => dispatch::task_gone(job, *number, ctx),
        Command::Promote => dispatch::promote(job, ctx),
        Command::SettleSlot => dispatch::settle_slot(job, ctx),
        Command::TakeSlot => dispatch::return_to_line(job, ctx),
        Command::CorrectClock => clock::correct(job, ctx),
        Command::Wake => dispatch::wake(job, ctx),
        Command::Claim { owner } => claim::claim(job, *owner, ctx),
        Command::Renew { fence } => claim::renew(job, *fence, ctx),
        Command::FileVerified { fence, index } => claim::file_verified(job, *fence, *index, ctx),
        Command::FailFile { fence, index, failure } => claim::fail_file(job, *fence, *index, failure, ctx),
        Command::PutBack { fence, cause, jitter, explanation } => {
            put_back::put_back(job, *fence, cause, *jitter, explanation.as_ref(), ctx)
        }
        Command::Postpone { until, waiting_for, explanation } => {
            put_back::postpone(job, *until, *waiting_for, explanation.as_ref(), ctx)
        }
        Command::Finish { fence } => end::finish(job, *fence, ctx),
        Command::PushDone { fence } => effects::push_done(job, *fence, ctx),
        Command::PushLater { fence, at } => effects::push_later(job, *fence, *at, ctx),
        Command::AudioGone { fence } => effects::audio_gone(job, *fence),
        Command::CleanedUp { fence } => effects::cleaned_up(job, *fence, ctx),
        Command::Recover => claim::recover(job, ctx),
        Command::WorkerGone { fence } => claim::worker_gone(job, *fence, ctx),
        Command::GiveUpWaiting => dispatch::give_up_waiting(job, ctx),
        Command::Cancel => end::cancel(job, ctx),
        Command::Retry { key } => retry::retry(job, *key, ctx),
        Command::UploadsStarted { urls } => upload::started(job, urls),
        Command::UploadsReplaced { replacements } => upload::replaced(job, replacements),
        Command::ExpireUpload => upload::expire(job, ctx),
        Command::Expire => effects::expire(job, ctx),
    }
}

/// Refuses a worker's write unless the job is `processing` under the worker's fence.
pub fn check_fence(job: &Job, fence: u64) -> Result<(), Refusal> {
    if job.lease.fence != fence {
        Err(Refusal::Fenced { fence: job.lease.fence })
    } else if job.status.is_terminal() {
        Err(Refusal::Finished(job.status))
    } else if job.status != Status::Processing {
        Err(Refusal::Fenced { fence: job.lease.fence })
    } else {
        Ok(())
    }
}

/// Extends the lease. Every write of a worker does so, as it shows that the worker is alive. The job is due when another
/// worker may take it over. A worker that gets on has overcome what kept the job waiting.
pub fn extend_lease(job: &mut Job, now: Timestamp, rules: &Rules) {
    if job.has_progressed() {
        job.wait_reason = None;
    }
    job.lease.until = Some(now + rules.lease);
    job.due_at = job.held_until(rules);
}

#[cfg(test)]
mod tests;
