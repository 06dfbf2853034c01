//! Slots are counted in the transaction that needs the number; no counter is stored that could become
//! wrong.

use domain::transition::Context;
use domain::{Job, JobId, Uid, slot};
use flow::ports::At;

use super::fault::{Fault, Result};
use super::table::{jobs, listed};
use super::transaction_retries::by_chance;
use super::unit_of_work::Unit;
use super::writes::write;

/// The most users that one search for stuck users checks; each costs two reads. The next search
/// continues after them, so that every user is checked some time.
const MAX_USERS: usize = 200;

/// The context of a command that depends on the user's slots.
pub async fn context<'a>(unit: &mut Unit<'_>, uid: &Uid, at: &At<'a>) -> Result<Context<'a>> {
    Ok(at.with_slots_held(held(unit, uid, at).await?))
}

/// The context in which a job settles its provisional slot. Nothing is locked, so that creations do not wait for each
/// other: of several provisional slots, the earlier ones win, in the order in which Firestore committed them. Whoever
/// looks sees every slot that was taken before its own, so that no more jobs keep a slot than there are.
pub async fn beside<'a>(unit: &mut Unit<'_>, job: &Job, at: &At<'a>) -> Result<Context<'a>> {
    let slots = at.rules.enqueued_per_user;
    let ahead = match job.holds_provisional_slot() {
        true => jobs::count_held_before(unit, job, slots).await?,
        false => 0,
    };
    Ok(at.with_slots_held(ahead))
}

/// Whether the user has a free slot.
pub async fn has_free(unit: &mut Unit<'_>, uid: &Uid, at: &At<'_>) -> Result<bool> {
    Ok(at.rules.free_slots(held(unit, uid, at).await?) > 0)
}

async fn held(unit: &mut Unit<'_>, uid: &Uid, at: &At<'_>) -> Result<u32> {
    let slots = at.rules.enqueued_per_user;
    jobs::count_held(unit, uid, slots, slots).await
}

/// Gives free slots to waiting jobs after a step of one of the user's jobs. What was read is from
/// before that step.
pub async fn promote_after(unit: &mut Unit<'_>, before: &Job, job: &Job, at: &At<'_>) -> Result<Vec<Job>> {
    let first = waiting_but(unit, before, 1).await?;
    if first.is_empty() {
        return Ok(Vec::new());
    }
    // Counts one slot more than there are, so that the job's own slot can be subtracted.
    let slots = at.rules.enqueued_per_user;
    let own = u32::from(before.holds_slot());
    let held = jobs::count_held(unit, &before.uid, slots.saturating_add(own), slots.saturating_add(1)).await?;
    let held = slot::held_after(held, before, job);
    let free = at.rules.free_slots(held) as usize;
    let next = if free > 1 { waiting_but(unit, before, free).await? } else { first };
    write(unit, slot::promote(next, held, at), &[])
}

/// The first waiting jobs of the user, without the job of this step.
async fn waiting_but(unit: &mut Unit<'_>, job: &Job, limit: usize) -> Result<Vec<Job>> {
    let limit = limit + usize::from(job.waits_for_slot());
    let mut waiting = jobs::waiting(unit, &job.uid, limit).await?;
    waiting.retain(|other| other.id != job.id);
    Ok(waiting)
}

/// Gives every free slot to the next waiting job.
pub async fn promote(unit: &mut Unit<'_>, uid: &Uid, at: &At<'_>) -> Result<Vec<Job>> {
    let held = held(unit, uid, at).await?;
    let free = at.rules.free_slots(held) as usize;
    let waiting = if free > 0 { jobs::waiting(unit, uid, free).await? } else { Vec::new() };
    write(unit, slot::promote(waiting, held, at), &[])
}

/// Users with waiting jobs and a free slot. The query jumps from user to user, however many jobs each
/// has. It begins after the user `last`, and returns the user after whom the next search begins, or
/// `None` when all users were checked.
pub async fn stuck_users(
    unit: &mut Unit<'_>,
    at: &At<'_>,
    limit: usize,
    last: Option<&str>,
) -> Result<(Vec<Uid>, Option<String>)> {
    let begin = match last {
        Some(last) => last.to_owned(),
        None => any_user(unit).await?,
    };
    let (mut stuck, mut looked_at) = (Vec::new(), 0);
    let before = (!begin.is_empty()).then_some(("", Some(begin.as_str())));
    for (from, to) in std::iter::once((begin.as_str(), None)).chain(before) {
        let mut last = from.to_owned();
        while let Some(next) =
            jobs::next_user_waiting(unit, &last).await?.filter(|next| to.is_none_or(|to| **next <= *to))
        {
            looked_at += 1;
            let uid = Uid::new(next.as_str()).map_err(|error| Fault::damaged(format_args!("users/{next}"), error));
            if let Some(uid) = listed(uid)?
                && context(unit, &uid, at).await?.slot_free
            {
                stuck.push(uid);
            }
            // Far away from the database this many queries take longer than an operation may, so what was found is
            // returned.
            if stuck.len() >= limit || looked_at >= MAX_USERS || !unit.has_time() {
                return Ok((stuck, Some(next)));
            }
            last = next;
        }
    }
    Ok((stuck, None))
}

/// The first user for a process that has not searched yet. A random letter would not do, because all
/// user ids may begin alike.
async fn any_user(unit: &mut Unit<'_>) -> Result<String> {
    let id = JobId(uuid::Uuid::from_u128((by_chance() * 2_f64.powi(32)) as u128 * (1 << 96)));
    Ok(jobs::user_queued_from(unit, id).await?.unwrap_or_default())
}
