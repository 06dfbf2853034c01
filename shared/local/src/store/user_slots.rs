//! Slots are counted in the transaction that needs the number; no counter is stored that could become
//! wrong.

use domain::transition::Context;
use domain::{Job, Uid, slot};
use flow::ports::At;
use rusqlite::Connection;

use super::fault::{Fault, Result, listed};
use super::table::jobs;
use super::writes::write;

fn held(db: &Connection, uid: &Uid, at: &At<'_>) -> Result<u32> {
    jobs::count_held(db, uid, at.rules.enqueued_per_user)
}

/// The context of a command that depends on the user's slots.
pub fn context<'a>(db: &Connection, uid: &Uid, at: &At<'a>) -> Result<Context<'a>> {
    Ok(at.with_slots_held(held(db, uid, at)?))
}

/// Gives every free slot to the next waiting job.
pub fn promote(db: &Connection, uid: &Uid, at: &At<'_>) -> Result<Vec<Job>> {
    let held = held(db, uid, at)?;
    let waiting = jobs::waiting(db, uid, at.rules.free_slots(held) as usize)?;
    write(db, slot::promote(waiting, held, at), &[])
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
            && context(db, &uid, at)?.slot_free
        {
            stuck.push(uid);
        }
        last = next;
    }
    Ok(stuck)
}
