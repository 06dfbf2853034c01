//! Applies one command to one job.

use domain::checkpoint::files_that_forget;
use domain::command::{Command, PutBack};
use domain::transition::apply;
use domain::{Action, JobId};
use flow::ports::{At, Stepped};

use super::fault::{Fault, Result};
use super::path::Path;
use super::table::{checkpoints, jobs};
use super::unit_of_work::{Mode, Unit};
use super::user_slots;

/// Most commands affect one document. Those that look at the user's other jobs need a transaction.
pub fn mode(command: &Command) -> Mode {
    match command {
        Command::Finish { .. } | Command::Cancel | Command::Retry { .. } => Mode::Transaction,
        Command::TakeSlot | Command::GiveUpWaiting => Mode::Transaction,
        Command::PutBack { cause: PutBack::Language, .. } => Mode::Transaction,
        _ => Mode::Optimistic,
    }
}

pub async fn step(unit: &mut Unit<'_>, id: JobId, command: &Command, at: &At<'_>) -> Result<Stepped> {
    let Some(job) = jobs::load(unit, id).await? else { return Ok(Stepped::NoSuchJob) };
    let ctx = match command.needs_slot() {
        true if *command == Command::SettleSlot => user_slots::beside(unit, &job, at).await?,
        true if unit.is_transaction() => user_slots::context(unit, &job.uid, at).await?,
        true => return Err(Fault::NeedsTransaction),
        false => at.uncounted(),
    };
    let step = match apply(&job, command, ctx) {
        Ok(step) => step,
        Err(why) => return Ok(Stepped::Refused { job, why }),
    };
    let promoted = match step.asks_for(Action::PromoteNext) {
        true if unit.is_transaction() => user_slots::promote_after(unit, &job, &step.job, at).await?,
        true => return Err(Fault::NeedsTransaction),
        false => Vec::new(),
    };
    for index in files_that_forget(&job, &step.job) {
        checkpoints::delete(unit, id, index);
    }
    if *command == Command::SettleSlot && step.job == job {
        // Nothing is written that would notice an out-of-date job. This one is from a moment ago, when it was created.
        unit.rely_on_recent(&Path::job(id), at.now);
    }
    if step.asks_for(Action::Forget) {
        jobs::delete(unit, id);
    } else {
        jobs::update(unit, &job, &step.job)?;
    }
    Ok(Stepped::Done { job: step.job, actions: step.actions, promoted })
}
