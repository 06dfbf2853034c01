//! `offline_sync_jobs`: each document has the job as its body, and beside it the fields for lists,
//! slots and the sweep.

mod conversation_ids;
mod failed;

use domain::job::{Status, WaitingFor};
use domain::slot::SlotUse;
use domain::{Job, JobId, Timestamp, Uid};
use firestore::gcloud_sdk::google::firestore::v1::{Document, Value};
use flow::ports::{ChangeQuery, DueCursor, JobQuery, Page};

use super::{BODY, at, from_body, sound, sound_ones, to_body};
use crate::firestore::fault::{Fault, Result};
use crate::firestore::path::{JOBS, Path};
use crate::firestore::query::{Query, Shape, Towards};
use crate::firestore::unit_of_work::Unit;
use crate::firestore::value::{Fields, any_of, bytes, bytes_of, moment, text, text_of};

pub const FIELDS: &[&str] = &[
    "uid",
    "status",
    "turn",
    "waiting_for",
    "created_at",
    "updated_at",
    "oldest_captured_at",
    "due_at",
    "expires_at",
    "failed_segments",
    "conversations",
    BODY,
];

/// A user's jobs, newest first.
pub const NEWEST: Shape = Shape {
    name: "jobs.newest",
    collection: JOBS,
    of_everybody: false,
    equal: &["uid"],
    sorted_by: &["created_at"],
    towards: Towards::Earlier,
};
pub const NEWEST_OF_STATUS: Shape = Shape { name: "jobs.newest_of_status", equal: &["uid", "status"], ..NEWEST };
pub const CHANGED: Shape =
    Shape { name: "jobs.changed", sorted_by: &["updated_at"], towards: Towards::Later, ..NEWEST };
/// Due jobs of all users; this is the sweep's only query.
pub const DUE: Shape =
    Shape { name: "jobs.due", equal: &[], sorted_by: &["due_at"], towards: Towards::Later, ..NEWEST };
pub const DUE_OF_STATUS: Shape = Shape { name: "jobs.due_of_status", equal: &["status"], ..DUE };
pub const OF_STATUS: Shape = Shape { name: "jobs.of_status", equal: &["status"], sorted_by: &[], ..DUE };
pub const OLDEST_OF_STATUS: Shape =
    Shape { name: "jobs.oldest_of_status", sorted_by: &["created_at"], ..DUE_OF_STATUS };
pub const WAITING_FOR: Shape = Shape { name: "jobs.waiting_for", equal: &["waiting_for"], ..OF_STATUS };
/// A user's jobs that hold a slot or wait for one, in the order in which they get it.
pub const SLOTS: Shape = Shape {
    name: "jobs.turns",
    equal: &["uid", "turn"],
    sorted_by: &["oldest_captured_at", "created_at"],
    towards: Towards::Later,
    ..NEWEST
};
/// Jobs that wait for a slot, ordered by user.
pub const WAITING_USERS: Shape = Shape { name: "jobs.waiting_users", equal: &["turn"], sorted_by: &["uid"], ..DUE };

fn encode(job: &Job) -> Result<Fields> {
    let mut body = job.clone();
    // As JSON text, a day of refused segments or weeks of short talks would not fit into a document.
    let (failed, conversation_ids) = (failed::take_out(&mut body), conversation_ids::take_out(&mut body));
    let some = |at: Option<Timestamp>| at.map(moment);
    let waiting_for = job.waiting_for.filter(|_| job.status == Status::Queued);
    Ok(Fields::default()
        .with("uid", text(job.uid.as_str()))
        .with("status", text(job.status.as_str()))
        .with_some("turn", SlotUse::of(job).map(|slot_use| text(slot_use.as_str())))
        .with_some("waiting_for", waiting_for.map(|what| text(what.as_str())))
        .with("created_at", moment(job.created_at))
        .with("updated_at", moment(job.updated_at))
        .with("oldest_captured_at", moment(job.oldest_captured_at))
        .with_some("due_at", some(job.due_at))
        .with_some("expires_at", some(job.expires_at))
        .with_some("failed_segments", failed.map(bytes))
        .with_some("conversations", conversation_ids.map(bytes))
        .with(BODY, bytes(to_body(&body)?)))
}

pub fn decode(document: &Document) -> Result<Job> {
    let mut job: Job = from_body(document)?;
    if let Some(packed) = bytes_of(document, "failed_segments") {
        failed::put_back(&mut job, packed).ok_or_else(|| Fault::damaged(at(document), "its failed segments"))?;
    }
    if let Some(packed) = bytes_of(document, "conversations") {
        conversation_ids::put_back(&mut job, packed)
            .ok_or_else(|| Fault::damaged(at(document), "its conversations"))?;
    }
    let is_it = at(document) == Path::job(job.id).as_str();
    if is_it { Ok(job) } else { Err(Fault::damaged(at(document), "its body is of another job")) }
}

/// Loads a job; a damaged one counts as missing.
pub async fn load(unit: &mut Unit<'_>, id: JobId) -> Result<Option<Job>> {
    Ok(sound(unit.one(&Path::job(id)).await?.as_ref().map(decode).transpose())?.flatten())
}

pub fn create(unit: &mut Unit<'_>, job: &Job) -> Result<()> {
    unit.create(&Path::job(job.id), encode(job)?);
    Ok(())
}

/// Writes the job, unless nothing changed.
pub fn update(unit: &mut Unit<'_>, before: &Job, job: &Job) -> Result<()> {
    if before != job {
        unit.put(&Path::job(job.id), encode(job)?);
    }
    Ok(())
}

pub fn delete(unit: &mut Unit<'_>, id: JobId) {
    unit.delete(&Path::job(id));
}

fn place(unit: &Unit<'_>, moment_of: Timestamp, id: JobId) -> Vec<Value> {
    vec![moment(moment_of), unit.place(&Path::job(id))]
}

fn of_statuses(uid: &Uid, statuses: &[Status]) -> Query {
    let wanted = any_of(statuses.iter().map(|status| text(status.as_str())));
    NEWEST_OF_STATUS.query(Path::ROOT, vec![text(uid.as_str()), wanted])
}

/// A page of a user's jobs, newest first, without damaged ones. Expired ones are among them.
pub async fn newest(unit: &mut Unit<'_>, asked: &JobQuery) -> Result<Vec<Job>> {
    let query = if asked.statuses.is_empty() {
        NEWEST.query(Path::ROOT, vec![text(asked.uid.as_str())])
    } else {
        of_statuses(&asked.uid, &asked.statuses)
    };
    let query = query.begin(asked.page.after.into(), |at| place(unit, at.created_at, at.id));
    sound_ones(unit, query, asked.page.limit, decode).await
}

/// A user's open upload sessions, newest first.
pub async fn open_sessions(unit: &mut Unit<'_>, uid: &Uid, limit: usize) -> Result<Vec<Job>> {
    sound_ones(unit, of_statuses(uid, &[Status::Uploading]), limit, decode).await
}

/// A page of a user's jobs, ordered by their last change. Expired ones are among them.
pub async fn changed(unit: &mut Unit<'_>, asked: &ChangeQuery) -> Result<Vec<Job>> {
    let query = CHANGED.query(Path::ROOT, vec![text(asked.uid.as_str())]);
    let query = query.begin(asked.begin(), |at| place(unit, at.updated_at, at.id));
    sound_ones(unit, query, asked.page.limit, decode).await
}

pub async fn due(unit: &mut Unit<'_>, now: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>> {
    let query = DUE.query(Path::ROOT, vec![]).until(vec![moment(now)]);
    let query = query.begin(page.after.into(), |at| place(unit, at.due_at, at.id));
    sound_ones(unit, query, page.limit, decode).await
}

/// Jobs with these statuses that are due later than `beyond`, earliest first.
pub async fn due_beyond(
    unit: &mut Unit<'_>,
    statuses: &[Status],
    beyond: Timestamp,
    page: Page<DueCursor>,
) -> Result<Vec<Job>> {
    let wanted = any_of(statuses.iter().map(|status| text(status.as_str())));
    let query = DUE_OF_STATUS.query(Path::ROOT, vec![wanted]);
    let query = match page.after.filter(|after| after.due_at > beyond) {
        Some(after) => query.after(place(unit, after.due_at, after.id)),
        None => query.after(vec![moment(beyond)]),
    };
    sound_ones(unit, query, page.limit, decode).await
}

/// How many live jobs of the user were created before this job, counted up to `limit`.
pub async fn count_ahead(unit: &mut Unit<'_>, job: &Job, limit: usize) -> Result<u64> {
    let live: Vec<_> = Status::ALL.into_iter().filter(|status| status.is_live()).collect();
    let query = of_statuses(&job.uid, &live).after(place(unit, job.created_at, job.id));
    unit.count(query, Some(limit)).await
}

pub async fn count_of(unit: &mut Unit<'_>, status: Status) -> Result<u64> {
    unit.count(OF_STATUS.query(Path::ROOT, vec![text(status.as_str())]), None).await
}

/// The number of queued jobs that wait for this. Jobs that an earlier version wrote last do not count.
pub async fn count_waiting_for(unit: &mut Unit<'_>, what: WaitingFor) -> Result<u64> {
    unit.count(WAITING_FOR.query(Path::ROOT, vec![text(what.as_str())]), None).await
}

/// The oldest job with one of these statuses, without damaged ones.
pub async fn oldest_of(unit: &mut Unit<'_>, statuses: &[Status]) -> Result<Option<Job>> {
    let wanted = any_of(statuses.iter().map(|status| text(status.as_str())));
    Ok(sound_ones(unit, OLDEST_OF_STATUS.query(Path::ROOT, vec![wanted]), 1, decode).await?.pop())
}

/// The number of finished jobs that are due, counted up to `limit`.
pub async fn count_due_finished(unit: &mut Unit<'_>, now: Timestamp, limit: usize) -> Result<u64> {
    let finished = Status::ALL.into_iter().filter(|status| status.is_terminal());
    let finished = any_of(finished.map(|status| text(status.as_str())));
    unit.count(DUE_OF_STATUS.query(Path::ROOT, vec![finished]).until(vec![moment(now)]), Some(limit)).await
}

/// How many slots the user's jobs hold, counted up to `limit`. A damaged job does not count, because it
/// would hold its slot for ever; so if at least `slots` slots seem held, the jobs are read. A job of a
/// newer version counts: that version works on it.
pub async fn count_held(unit: &mut Unit<'_>, uid: &Uid, slots: u32, limit: u32) -> Result<u32> {
    let query = SLOTS.query(Path::ROOT, vec![text(uid.as_str()), text(SlotUse::Held.as_str())]);
    let held = u32::try_from(unit.count(query.clone(), Some(limit as usize)).await?).unwrap_or(u32::MAX);
    if held < slots {
        return Ok(held);
    }
    let holds = |document: &Document| match decode(document) {
        Ok(_) | Err(Fault::Newer { .. }) => Ok(()),
        Err(fault) => Err(fault),
    };
    Ok(u32::try_from(sound_ones(unit, query, limit as usize, holds).await?.len()).unwrap_or(u32::MAX))
}

/// The most held slots that are read to find out which provisional one was taken first. If there are more, too many jobs
/// were created at the same moment, and this one gets in line.
const MAX_HELD_READ: usize = 64;

/// How many slots other jobs of the user hold that count before this job's provisional slot: all that are settled, and
/// the provisional ones that were taken earlier. Exact only as far as it matters whether there are at least `slots`.
pub async fn count_held_before(unit: &mut Unit<'_>, job: &Job, slots: u32) -> Result<u32> {
    let query = SLOTS.query(Path::ROOT, vec![text(job.uid.as_str()), text(SlotUse::Held.as_str())]);
    let held = unit.count(query.clone(), Some(slots as usize)).await?;
    if held < u64::from(slots) {
        // Even if the job's own slot is not among them, because this copy of the job is out of date, a slot is free.
        return Ok(u32::try_from(held).unwrap_or(u32::MAX).saturating_sub(1));
    }
    let taken = |document: &Document| document.update_time.map(|at| (at.seconds, at.nanos));
    let holder = |document: &Document| match decode(document) {
        Ok(holder) => Ok((taken(document), holder.id, holder.holds_provisional_slot())),
        // Another version works on it.
        Err(Fault::Newer { .. }) => Ok((None, JobId(uuid::Uuid::nil()), false)),
        Err(fault) => Err(fault),
    };
    let holders = sound_ones(unit, query, MAX_HELD_READ, holder).await?;
    let Some(own) = holders.iter().find(|(_, id, _)| *id == job.id).map(|(taken, id, _)| (*taken, *id)) else {
        return Ok(slots);
    };
    let is_before = |(taken, id, provisional): &&(Option<(i64, i32)>, JobId, bool)| {
        *id != job.id && (!provisional || (*taken, *id) < own)
    };
    let before = holders.iter().filter(is_before).count();
    let is_cut_off = holders.len() == MAX_HELD_READ;
    Ok(if is_cut_off { slots } else { u32::try_from(before).unwrap_or(u32::MAX) })
}

/// The user's waiting jobs, in the order in which they get a slot.
pub async fn waiting(unit: &mut Unit<'_>, uid: &Uid, limit: usize) -> Result<Vec<Job>> {
    sound_ones(unit, SLOTS.query(Path::ROOT, vec![text(uid.as_str()), text(SlotUse::Waiting.as_str())]), limit, decode)
        .await
}

/// The first user after `uid` who has a waiting job. The name is returned as it is stored.
pub async fn next_user_waiting(unit: &mut Unit<'_>, uid: &str) -> Result<Option<String>> {
    let query = WAITING_USERS.query(Path::ROOT, vec![text(SlotUse::Waiting.as_str())]).after(vec![text(uid)]);
    let found = unit.query(query, 1).await?;
    Ok(found.first().and_then(|document| text_of(document, "uid")).map(str::to_owned))
}

/// The user of the first queued job at or after this id. Ids are random, so from a random id any user
/// with a job may come up.
pub async fn user_queued_from(unit: &mut Unit<'_>, id: JobId) -> Result<Option<String>> {
    let query = OF_STATUS.query(Path::ROOT, vec![text(Status::Queued.as_str())]);
    let query = query.from(vec![unit.place(&Path::job(id))]);
    let found = unit.query(query, 1).await?;
    Ok(found.first().and_then(|document| text_of(document, "uid")).map(str::to_owned))
}
