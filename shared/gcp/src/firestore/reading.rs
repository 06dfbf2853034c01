//! Reads a user's jobs, conversations with their lines, and an operator's statistics.

use domain::job::WaitingFor;
use domain::listing::{Begin, MAX_JOBS_AHEAD};
use domain::{Conversation, Job, JobId, Line, Status, Timestamp};
use flow::ports::{
    ChangeCursor, ChangeQuery, ConversationPage, JobCursor, JobQuery, JobStats, LineCursor, LineQuery,
    MAX_EFFECTS_COUNTED, Page,
};

use super::fault::{Fault, Result};
use super::path::Path;
use super::redirects::Redirects;
use super::table::{jobs as table, lines};
use super::unit_of_work::Unit;

/// The most lines read at once for a page of a conversation, or jobs for a page of a list.
const MAX_PAGE_SIZE: usize = 500;

pub async fn jobs(unit: &mut Unit<'_>, query: &JobQuery) -> Result<Vec<Job>> {
    let (mut shown, mut query) = (Vec::new(), query.clone());
    let limit = query.page.limit;
    // Expired jobs do not count towards a page; usually there are few.
    while shown.len() < limit {
        let page = table::newest(unit, &query).await?;
        let is_last = page.len() < query.page.limit;
        query.page.after = page.last().map(JobCursor::of);
        let room = limit - shown.len();
        shown.extend(page.into_iter().filter(|job| !job.has_expired(query.now)).take(room));
        if is_last {
            break;
        }
        // There may be many expired jobs after the last one shown, so the next read is larger.
        query.page.limit = (query.page.limit * 4).clamp(1, MAX_PAGE_SIZE);
    }
    Ok(shown)
}

pub async fn changed_jobs(unit: &mut Unit<'_>, query: &ChangeQuery) -> Result<Vec<Job>> {
    let (mut shown, mut query) = (Vec::new(), query.clone());
    let limit = query.page.limit;
    while shown.len() < limit {
        query.page.limit = limit - shown.len();
        let page = table::changed(unit, &query).await?;
        let is_last = page.len() < query.page.limit;
        query.page.after = page.last().map(ChangeCursor::of);
        shown.extend(page.into_iter().filter(|job| !job.has_expired(query.now)));
        if is_last {
            break;
        }
    }
    Ok(shown)
}

pub async fn jobs_ahead(unit: &mut Unit<'_>, job: &Job) -> Result<u32> {
    Ok(u32::try_from(table::count_ahead(unit, job, MAX_JOBS_AHEAD).await?).unwrap_or(u32::MAX))
}

pub async fn jobs_with_audio(unit: &mut Unit<'_>, ids: &[JobId]) -> Result<Vec<JobId>> {
    let paths: Vec<_> = ids.iter().map(|id| Path::job(*id)).collect();
    let mut needed = Vec::new();
    for (id, document) in ids.iter().zip(unit.get(&paths).await?) {
        match document.as_ref().map(table::decode) {
            None => {}
            Some(Ok(job)) if !job.needs_audio() => {}
            // A job that cannot be read may still need its audio, and must not keep the others from being checked.
            Some(Ok(_) | Err(Fault::Damaged { .. } | Fault::Newer { .. })) => needed.push(*id),
            Some(Err(fault)) => return Err(fault),
        }
    }
    Ok(needed)
}

pub async fn job_stats(unit: &mut Unit<'_>, now: Timestamp) -> Result<JobStats> {
    let mut by_status = Vec::new();
    for status in Status::ALL {
        by_status.push((status, table::count_of(unit, status).await?));
    }
    let oldest = table::due(unit, now, Page::first(1)).await?;
    let effects_due = table::count_due_finished(unit, now, MAX_EFFECTS_COUNTED).await?;
    // Every query costs at least one read, so that nothing is asked about jobs that do not exist.
    let has = |wanted: Status| by_status.iter().any(|(status, jobs)| *status == wanted && *jobs > 0);
    let live: Vec<Status> = Status::ALL.into_iter().filter(|status| status.is_live() && has(*status)).collect();
    let mut waiting = Vec::new();
    for what in WaitingFor::ALL {
        let jobs = if has(Status::Queued) { table::count_waiting_for(unit, what).await? } else { 0 };
        waiting.push((what, jobs));
    }
    let unfinished = if live.is_empty() { None } else { table::oldest_of(unit, &live).await? };
    Ok(JobStats {
        by_status,
        oldest_due: oldest.first().and_then(|job| job.due_at),
        effects_due,
        waiting,
        oldest_unfinished: unfinished.map(|job| job.created_at),
    })
}

pub async fn conversation(unit: &mut Unit<'_>, query: &LineQuery) -> Result<Option<ConversationPage>> {
    let Page { after, limit } = query.page;
    let mut redirects = Redirects::of(&query.uid);
    let found = redirects.follow(unit, query.conversation).await?;
    let Some(conversation) = found.filter(Conversation::is_live) else { return Ok(None) };
    let lines = lines_of(unit, &conversation, &mut redirects, after, limit.saturating_add(1)).await?;
    Ok(Some(ConversationPage::of(conversation, lines, limit)))
}

/// At least the first `wanted` lines of a conversation, in order: those placed by time, and those
/// attached under any of its ids.
pub async fn lines_of(
    unit: &mut Unit<'_>,
    conversation: &Conversation,
    redirects: &mut Redirects<'_>,
    after: Option<LineCursor>,
    wanted: usize,
) -> Result<Vec<Line>> {
    let mut found = timed(unit, conversation, redirects, after, wanted).await?;
    if conversation.attached.is_some() {
        let mut ids = vec![conversation.id];
        ids.extend(&conversation.merged_ids);
        found.extend(lines::attached(unit, &conversation.uid, &ids, after, wanted).await?);
    }
    found.sort_by_key(Line::order);
    Ok(found)
}

/// Lines within the conversation's time that belong to it, or to a conversation that was merged into
/// it.
async fn timed(
    unit: &mut Unit<'_>,
    conversation: &Conversation,
    redirects: &mut Redirects<'_>,
    after: Option<LineCursor>,
    wanted: usize,
) -> Result<Vec<Line>> {
    let mut found = Vec::new();
    let Some(timed) = conversation.timed else { return Ok(found) };
    let mut begin = Begin::of(Some(timed.start), after);
    while found.len() < wanted {
        let look = (wanted - found.len()).min(MAX_PAGE_SIZE);
        let page = lines::timed(unit, conversation, begin, timed.end, look).await?;
        let Some(last) = page.last().map(LineCursor::of) else { break };
        let is_last = page.len() < look;
        let others: Vec<_> = page.iter().filter_map(|line| line.conversation_id).collect();
        let others: Vec<_> = others.into_iter().filter(|id| *id != conversation.id).collect();
        let ends = redirects.ends(unit, &others).await?;
        let mut ends = ends.into_iter();
        for line in page {
            let stands_here = match line.conversation_id {
                Some(id) if id == conversation.id => true,
                Some(_) => ends.next().flatten().is_some_and(|end| end.id == conversation.id),
                None => false,
            };
            found.extend(stands_here.then_some(line));
        }
        if is_last {
            break;
        }
        begin = Begin::After(last);
    }
    Ok(found)
}
