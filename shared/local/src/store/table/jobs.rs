//! `offline_sync_jobs`: each row has the job's document, and beside it the columns for lists, slots and
//! the sweep.

use domain::job::{Status, WaitingFor};
use domain::slot::SlotUse;
use domain::{Job, JobId, Timestamp, Uid};
use flow::ports::{ChangeQuery, DueCursor, JobCursor, JobQuery, JobStats, Page};
use rusqlite::{Connection, Params, Row, params};
use uuid::Uuid;

use crate::store::fault::{Fault, Result, listed, of_row, sound};
use crate::store::query::{all, from_document, one, position, queries, rows, run, sound_ones, to_document};

const TABLE: &str = "offline_sync_jobs";

queries! {
    LOAD = "SELECT document, id FROM offline_sync_jobs WHERE id = ?1";
    INSERT = "INSERT INTO offline_sync_jobs
        (id, uid, status, turn, created_at, oldest_captured_at, due_at, expires_at, document, updated_at, waiting_for)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    UPDATE = "UPDATE offline_sync_jobs
        SET status = ?2, turn = ?3, oldest_captured_at = ?4, due_at = ?5, expires_at = ?6, document = ?7, updated_at = ?8,
            waiting_for = ?9
        WHERE id = ?1";
    /// Most of a worker's writes use this statement: all but three indexes stay unchanged.
    UPDATE_DUE = "UPDATE offline_sync_jobs SET due_at = ?2, document = ?3, updated_at = ?4 WHERE id = ?1";
    UPDATE_DOCUMENT = "UPDATE offline_sync_jobs SET document = ?2, updated_at = ?3 WHERE id = ?1";
    DELETE = "DELETE FROM offline_sync_jobs WHERE id = ?1";
    LIST = "SELECT created_at, id FROM offline_sync_jobs
        WHERE uid = ?1 AND status = ?2 AND (created_at, id) < (?3, ?4) AND (expires_at IS NULL OR expires_at > ?5)
        ORDER BY created_at DESC, id DESC LIMIT ?6";
    CHANGED = "SELECT document, id FROM offline_sync_jobs
        WHERE uid = ?1 AND (updated_at, id) > (?2, ?3) ORDER BY updated_at, id";
    COUNT_BEFORE = "SELECT count(*) FROM (SELECT 1 FROM offline_sync_jobs
        WHERE uid = ?1 AND status = ?2 AND (created_at, id) < (?3, ?4) LIMIT ?5)";
    DUE = "SELECT document, id FROM offline_sync_jobs
        WHERE due_at <= ?1 AND (due_at, id) > (?2, ?3) ORDER BY due_at, id";
    DUE_BEYOND = "SELECT document, id FROM offline_sync_jobs
        WHERE status = ?1 AND due_at IS NOT NULL AND (due_at, id) > (?2, ?3) ORDER BY due_at, id";
    COUNT_HELD = "SELECT count(*) FROM (SELECT 1 FROM offline_sync_jobs WHERE turn = 'held' AND uid = ?1 LIMIT ?2)";
    HELD = "SELECT document, id FROM offline_sync_jobs WHERE turn = 'held' AND uid = ?1";
    WAITING = "SELECT document, id FROM offline_sync_jobs WHERE turn = 'waiting' AND uid = ?1
        ORDER BY oldest_captured_at, created_at, id";
    COUNT_OF = "SELECT jobs FROM job_counts WHERE status = ?1";
    COUNT_WAITING = "SELECT jobs FROM waiting_counts WHERE waiting_for = ?1";
    UNFINISHED = "SELECT document, id FROM offline_sync_jobs
        WHERE status IN ('queued', 'processing') AND created_at >= ?1 ORDER BY created_at, id";
    COUNT_EFFECTS = "SELECT count(*) FROM
        (SELECT status FROM offline_sync_jobs WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2)
        WHERE status NOT IN ('uploading', 'queued', 'processing')";
    NEXT_USER = "SELECT uid FROM offline_sync_jobs WHERE turn = 'waiting' AND uid > ?1 ORDER BY uid LIMIT 1";
}

/// The columns that change.
#[derive(PartialEq)]
struct Columns {
    status: &'static str,
    turn: Option<&'static str>,
    oldest_captured_at: i64,
    expires_at: Option<i64>,
    waiting_for: Option<&'static str>,
}

impl Columns {
    fn of(job: &Job) -> Self {
        Self {
            status: job.status.as_str(),
            turn: SlotUse::of(job).map(SlotUse::as_str),
            oldest_captured_at: job.oldest_captured_at.millis(),
            expires_at: job.expires_at.map(Timestamp::millis),
            waiting_for: job.waiting_for.filter(|_| job.status == Status::Queued).map(WaitingFor::as_str),
        }
    }
}

fn due(job: &Job) -> Option<i64> {
    job.due_at.map(Timestamp::millis)
}

/// Reads a row of `document, id`.
pub fn read(row: &Row) -> Result<Job> {
    let id = job_id(row, 1).map_err(|fault| of_row(TABLE, "with a broken id", fault))?;
    let job: Job = from_document(TABLE, row, 0, &id)?;
    if job.id == id { Ok(job) } else { Err(Fault::damaged(TABLE, id, "its document is of another job")) }
}

/// The first `limit` jobs of a query, without damaged ones.
fn read_sound(db: &Connection, sql: &str, params: impl Params, limit: usize) -> Result<Vec<Job>> {
    sound_ones(db, sql, params, limit, read)
}

fn job_id(row: &Row, column: usize) -> Result<JobId> {
    Ok(JobId(Uuid::from_bytes(row.get(column)?)))
}

/// Loads a job; a damaged one counts as missing.
pub fn load(db: &Connection, id: JobId) -> Result<Option<Job>> {
    Ok(sound(load_as_stored(db, id))?.flatten())
}

/// Loads a job; a damaged one is an error.
pub fn load_as_stored(db: &Connection, id: JobId) -> Result<Option<Job>> {
    one(db, LOAD, [id.0.as_bytes()], read)
}

/// Loads the jobs at these cursors, in this order, without those that cannot be read.
pub fn load_listed(db: &Connection, found: &[JobCursor]) -> Result<Vec<Job>> {
    let load = |at: &JobCursor| listed(load_as_stored(db, at.id)).map(Option::flatten).transpose();
    found.iter().filter_map(load).collect()
}

pub fn insert(db: &Connection, job: &Job) -> Result<()> {
    let columns = Columns::of(job);
    run(
        db,
        INSERT,
        params![
            job.id.0.as_bytes(),
            job.uid.as_str(),
            columns.status,
            columns.turn,
            job.created_at.millis(),
            columns.oldest_captured_at,
            due(job),
            columns.expires_at,
            to_document(TABLE, job)?,
            job.updated_at.millis(),
            columns.waiting_for,
        ],
    )?;
    Ok(())
}

/// Writes the columns that differ, and nothing if none does.
pub fn update(db: &Connection, before: &Job, job: &Job) -> Result<()> {
    if before == job {
        return Ok(());
    }
    let (id, document, updated_at) = (job.id.0.as_bytes(), to_document(TABLE, job)?, job.updated_at.millis());
    let columns = Columns::of(job);
    if columns != Columns::of(before) {
        let Columns { status, turn, oldest_captured_at, expires_at, waiting_for } = columns;
        let due_at = due(job);
        run(
            db,
            UPDATE,
            params![id, status, turn, oldest_captured_at, due_at, expires_at, document, updated_at, waiting_for],
        )?;
    } else if due(before) != due(job) {
        run(db, UPDATE_DUE, params![id, due(job), document, updated_at])?;
    } else {
        run(db, UPDATE_DOCUMENT, params![id, document, updated_at])?;
    }
    Ok(())
}

pub fn delete(db: &Connection, id: JobId) -> Result<()> {
    run(db, DELETE, [id.0.as_bytes()])?;
    Ok(())
}

/// The cursors of a page of a user's jobs with one status, newest first.
pub fn list(db: &Connection, query: &JobQuery, status: Status) -> Result<Vec<JobCursor>> {
    let JobQuery { uid, now, page: Page { after, limit }, .. } = query;
    // The start is newer than any possible job, so that one query serves the first page and the others.
    let (created_at, id) = after.map_or((i64::MAX, [0xFF; 16]), |at| (at.created_at.millis(), *at.id.0.as_bytes()));
    let params = params![uid.as_str(), status.as_str(), created_at, id, now.millis(), rows(*limit)];
    all(db, LIST, params, cursor)
}

/// A page of the user's changed jobs, ordered by their last change.
pub fn changed(db: &Connection, query: &ChangeQuery) -> Result<Vec<Job>> {
    let (updated_at, id) = position(query.begin(), |at| (at.updated_at, at.id.0));
    let mut statement = db.prepare_cached(CHANGED)?;
    let mut rows = statement.query(params![query.uid.as_str(), updated_at, id])?;
    let mut jobs = Vec::new();
    while jobs.len() < query.page.limit
        && let Some(row) = rows.next()?
    {
        jobs.extend(listed(read(row))?.filter(|job: &Job| !job.has_expired(query.now)));
    }
    Ok(jobs)
}

/// How many of the user's jobs with this status were created before this job, counted up to `limit`.
pub fn count_before(db: &Connection, job: &Job, status: Status, limit: usize) -> Result<u32> {
    let at = job.created_at.millis();
    let params = params![job.uid.as_str(), status.as_str(), at, job.id.0.as_bytes(), rows(limit)];
    Ok(one(db, COUNT_BEFORE, params, |row| Ok(row.get(0)?))?.unwrap_or(0))
}

pub fn due_until(db: &Connection, now: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>> {
    let (due_at, id) = page.after.map_or((i64::MIN, [0; 16]), |at| (at.due_at.millis(), *at.id.0.as_bytes()));
    read_sound(db, DUE, params![now.millis(), due_at, id], page.limit)
}

/// Jobs with these statuses that are due later than `beyond`, earliest first.
pub fn due_beyond(db: &Connection, statuses: &[Status], beyond: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>> {
    // The last possible position at `beyond`, so that one comparison serves both bounds.
    let from = (beyond.millis(), [0xFF; 16]);
    let after = page.after.map_or(from, |at| (at.due_at.millis(), *at.id.0.as_bytes()));
    let (due_at, id) = from.max(after);
    let mut jobs = Vec::new();
    for status in statuses {
        jobs.extend(read_sound(db, DUE_BEYOND, params![status.as_str(), due_at, id], page.limit)?);
    }
    jobs.sort_by_key(|job| (job.due_at, job.id));
    jobs.truncate(page.limit);
    Ok(jobs)
}

/// How many slots the user's jobs hold, counted up to `limit`. A damaged job does not count, because it
/// would hold its slot for ever; so if all slots seem held, the jobs are read. A job of a newer version
/// counts: that version works on it.
pub fn count_held(db: &Connection, uid: &Uid, limit: u32) -> Result<u32> {
    let params = params![uid.as_str(), limit];
    let held = one(db, COUNT_HELD, params, |row| Ok(row.get(0)?))?.unwrap_or(0);
    if held < limit {
        return Ok(held);
    }
    let is_damaged = |row: &Row| match read(row) {
        Err(newer @ Fault::Newer { .. }) => listed::<Job>(Err(newer)).map(|_| false),
        read => sound(read).map(|job| job.is_none()),
    };
    // Damaged jobs do not count towards the limit.
    let mut statement = db.prepare_cached(HELD)?;
    let mut rows = statement.query([uid.as_str()])?;
    let mut sound_ones = 0;
    while sound_ones < limit
        && let Some(row) = rows.next()?
    {
        sound_ones += u32::from(!is_damaged(row)?);
    }
    Ok(sound_ones)
}

/// The first of the user's waiting jobs, in the order in which they get a slot.
pub fn waiting(db: &Connection, uid: &Uid, limit: usize) -> Result<Vec<Job>> {
    read_sound(db, WAITING, [uid.as_str()], limit)
}

/// The first user after `uid` with a waiting job.
pub fn next_user_waiting(db: &Connection, uid: &str) -> Result<Option<String>> {
    one(db, NEXT_USER, [uid], |row| Ok(row.get(0)?))
}

/// Counts all jobs by the counters that the schema's triggers keep; of the due ones only the first
/// `limit` are counted.
pub fn job_stats(db: &Connection, now: Timestamp, limit: usize) -> Result<JobStats> {
    // A damaged job stays due for ever, so it is skipped: it would hide how late the others are.
    let oldest = due_until(db, now, Page::first(1))?;
    let with_effects = count(db, COUNT_EFFECTS, params![now.millis(), rows(limit)])?;
    let of = |status: Status| Ok((status, count(db, COUNT_OF, [status.as_str()])?));
    let by_status = Status::ALL.into_iter().map(of).collect::<Result<_>>()?;
    let of = |what: WaitingFor| Ok((what, count(db, COUNT_WAITING, [what.as_str()])?));
    let waiting = WaitingFor::ALL.into_iter().map(of).collect::<Result<_>>()?;
    let unfinished = read_sound(db, UNFINISHED, [i64::MIN], 1)?;
    Ok(JobStats {
        by_status,
        oldest_due: oldest.first().and_then(|job| job.due_at),
        effects_due: with_effects,
        waiting,
        oldest_unfinished: unfinished.first().map(|job| job.created_at),
    })
}

fn count(db: &Connection, sql: &str, params: impl Params) -> Result<u64> {
    let counted = one(db, sql, params, |row| Ok(row.get::<_, i64>(0)?))?;
    Ok(counted.map_or(0, i64::unsigned_abs))
}

/// The cursors of the newest jobs of all users. It scans a whole index, so it is not in the list of
/// queries whose plans are checked. Only the best `limit` are kept in memory.
pub fn newest(db: &Connection, statuses: &[Status], limit: usize) -> Result<Vec<JobCursor>> {
    let names: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    // Names of statuses contain no quotes.
    let filter = if names.is_empty() { String::new() } else { format!("WHERE status IN ('{}')", names.join("','")) };
    let sql = format!(
        "SELECT created_at, id FROM offline_sync_jobs INDEXED BY jobs_by_status {filter}
        ORDER BY created_at DESC, id DESC LIMIT ?1"
    );
    all(db, &sql, [rows(limit)], cursor)
}

/// When any job was changed last. It scans a whole index, so it is not in the list of queries whose plans are checked.
pub fn newest_change(db: &Connection) -> Result<Option<Timestamp>> {
    let newest = one(db, "SELECT max(updated_at) FROM offline_sync_jobs", [], |row| Ok(row.get::<_, Option<i64>>(0)?))?;
    Ok(newest.flatten().map(Timestamp::from_millis))
}

fn cursor(row: &Row) -> Result<JobCursor> {
    Ok(JobCursor { created_at: Timestamp::from_millis(row.get(0)?), id: job_id(row, 1)? })
}
