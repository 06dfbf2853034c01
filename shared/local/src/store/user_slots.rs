//! Slots are counted in the transaction that needs the number; no counter is stored that could become
//! wrong.

use domain::transition::{Context, apply};
use domain::{Command, Job, Uid};
use flow::ports::At;
use rusqlite::Connection;

use super::fault::{Fault, Result, listed};
use super::table::jobs;

fn is_free(db: &Connection, uid: &Uid, at: &At<'_>) -> Result<bool> {
    let slots = at.rules.enqueued_per_user;
    Ok(jobs::count_held(db, uid, slots)? < slots)
}

/// The context of a command that depends on the user's slots.
pub fn context<'a>(db: &Connection, uid: &Uid, at: &At<'a>) -> Result<Context<'a>> {
    Ok(Context { slot_free: is_free(db, uid, at)?, ..uncounted(at) })
}

/// The context of a command that does not depend on slots.
pub fn uncounted<'a>(at: &At<'a>) -> Context<'a> {
    Context { now: at.now, rules: at.rules, slot_free: false }
}

/// Gives every free slot to the next waiting job.
pub fn promote(db: &Connection, uid: &Uid, at: &At<'_>) -> Result<Vec<Job>> {
    let mut promoted = Vec::new();
    while is_free(db, uid, at)? {
        let Some(job) = jobs::next_waiting(db, uid)? else { break };
        let Ok(step) = apply(&job, &Command::Promote, uncounted(at)) else { break };
        jobs::update(db, &job, &step.job)?;
        promoted.push(step.job);
    }
    Ok(promoted)
}

/// Users with waiting jobs and a free slot, by uid. The query jumps from user to user, however many
/// jobs each has.
pub fn stuck_users(db: &Connection, at: &At<'_>, limit: usize) -> Result<Vec<Uid>> {
    let mut stuck = Vec::new();
    let mut last = String::new();
    while stuck.len() < limit
        && let Some(next) = jobs::next_user_waiting(db, &last)?
    {
        let uid = Uid::new(next.as_str()).map_err(|error| Fault::damaged("offline_sync_jobs", &next, error));
        if let Some(uid) = listed(uid)?
            && is_free(db, &uid, at)?
        {
            stuck.push(uid);
        }
        last = next;
    }
    Ok(stuck)
}
