//! Reads a user's jobs, and conversations with their lines.

use domain::listing::{MAX_JOBS_AHEAD, cut};
use domain::{Conversation, Job, JobId, Status};
use flow::ports::{ConversationPage, JobCursor, JobQuery, LineQuery, Page};
use rusqlite::Connection;

use super::fault::{Fault, Result, listed};
use super::redirects::Redirects;
use super::table::lines::Key;
use super::table::{jobs, lines};

pub fn jobs(db: &Connection, query: &JobQuery) -> Result<Vec<Job>> {
    let (mut shown, mut query) = (Vec::new(), query.clone());
    let limit = query.page.limit;
    // Damaged jobs do not count towards a page.
    while shown.len() < limit {
        let page = newest(db, &query)?;
        let Some(last) = page.last() else { break };
        query.page.after = Some(*last);
        let is_last = page.len() < limit;
        let mut jobs = jobs::load_listed(db, &page)?;
        jobs.truncate(limit - shown.len());
        shown.append(&mut jobs);
        if is_last {
            break;
        }
    }
    Ok(shown)
}

/// The cursors of the newest jobs, newest first.
fn newest(db: &Connection, query: &JobQuery) -> Result<Vec<JobCursor>> {
    // Each status is a sorted list, so the newest jobs of all are at their heads.
    let mut found = Vec::new();
    for status in Status::ALL.into_iter().filter(|status| query.wants(*status)) {
        found.extend(jobs::list(db, query, status)?);
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.truncate(query.page.limit);
    Ok(found)
}

pub fn jobs_ahead(db: &Connection, job: &Job) -> Result<u32> {
    let live = Status::ALL.into_iter().filter(|status| status.is_live());
    live.map(|status| jobs::count_before(db, job, status, MAX_JOBS_AHEAD)).sum()
}

pub fn jobs_with_audio(db: &Connection, ids: &[JobId]) -> Result<Vec<JobId>> {
    let mut needed = Vec::new();
    for id in ids {
        match jobs::load_as_stored(db, *id) {
            Ok(None) => {}
            Ok(Some(job)) if !job.needs_audio() => {}
            // A job that cannot be read may still need its audio, and must not keep the others from being checked.
            Ok(_) | Err(Fault::Damaged { .. } | Fault::Newer { .. }) => needed.push(*id),
            Err(fault) => return Err(fault),
        }
    }
    Ok(needed)
}

pub fn conversation(db: &Connection, query: &LineQuery) -> Result<Option<ConversationPage>> {
    let LineQuery { uid, conversation, page: Page { after, limit } } = query;
    let mut redirects = Redirects::of(db, uid);
    let Some(conversation) = redirects.follow(*conversation)?.filter(Conversation::is_live) else { return Ok(None) };
    let after = after.map_or(Key::FIRST, Key::from);
    // One more line than is shown tells whether there is a next page.
    let mut keys = keys(db, &conversation, &mut redirects, after, limit.saturating_add(1))?;
    let more = cut(&mut keys, *limit);
    // The next page begins after the last line of this one, whether that is damaged or not.
    let next = keys.last().filter(|_| more).map(|key| key.cursor());
    let line = |key: Key| listed(lines::at(db, uid, key)).map(Option::flatten).transpose();
    let lines = keys.into_iter().filter_map(line).collect::<Result<_>>()?;
    Ok(Some(ConversationPage { conversation, lines, next }))
}

/// At least the first `wanted` lines of a conversation, in order: those placed by time, and those
/// attached under any of its ids.
pub fn keys(
    db: &Connection,
    conversation: &Conversation,
    redirects: &mut Redirects<'_>,
    after: Key,
    wanted: usize,
) -> Result<Vec<Key>> {
    let mut keys = timed(db, conversation, redirects, after, wanted)?;
    for id in std::iter::once(&conversation.id).chain(&conversation.merged_ids) {
        keys.extend(lines::attached(db, &conversation.uid, *id, after, wanted)?);
    }
    keys.sort_unstable();
    Ok(keys)
}

/// Lines within the conversation's time that belong to it, or to a conversation that was merged into
/// it.
fn timed(
    db: &Connection,
    conversation: &Conversation,
    redirects: &mut Redirects<'_>,
    after: Key,
    wanted: usize,
) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    let Some(timed) = conversation.timed else { return Ok(keys) };
    let stream = (&conversation.uid, conversation.stream.key());
    let from = after.max(Key::before(timed.start));
    lines::timed(db, (stream.0, &stream.1), from, timed.end, |key, stands_in| {
        if redirects.end(stands_in)? == conversation.id {
            keys.push(key);
        }
        Ok(keys.len() < wanted)
    })?;
    Ok(keys)
}
