//! Applies one command to one job.

use domain::checkpoint::files_that_forget;
use domain::command::Command;
use domain::transition::apply;
use domain::{Action, JobId};
use flow::ports::{At, Stepped};
use rusqlite::Connection;

use super::fault::Result;
use super::table::{checkpoints, jobs};
use super::user_slots;

pub fn step(db: &Connection, id: JobId, command: &Command, at: &At<'_>) -> Result<Stepped> {
    let Some(job) = jobs::load(db, id)? else { return Ok(Stepped::NoSuchJob) };
    let ctx = if command.needs_slot() { user_slots::context(db, &job.uid, at)? } else { at.uncounted() };
    let step = match apply(&job, command, ctx) {
        Ok(step) => step,
        Err(why) => return Ok(Stepped::Refused { job, why }),
    };
    if step.asks_for(Action::Forget) {
        jobs::delete(db, id)?;
    } else {
        jobs::update(db, &job, &step.job)?;
    }
    if !files_that_forget(&job, &step.job).is_empty() {
        checkpoints::delete(db, id)?;
    }
    let promoted = if step.asks_for(Action::PromoteNext) { user_slots::promote(db, &job.uid, at)? } else { Vec::new() };
    Ok(Stepped::Done { job: step.job, actions: step.actions, promoted })
}
