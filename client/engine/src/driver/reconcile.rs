//! Asks what became of uploaded jobs (R30 to R32): the status first, and by file.

use domain::{JobId, Timestamp};
use futures_util::StreamExt;
use futures_util::stream;

use super::api::{Api, ApiError};
use crate::chunk::{Chunk, ChunkId, State, Transfer};
use crate::completed::{self, Completed};
use crate::coordinator::{Event, Purpose};
use crate::core::WorkError;
use crate::events::{EventKind, PollOutcome};
use crate::index::{JobRow, StoredResult};
use crate::ports::{Answer, Method};
use crate::rules::backoff;
use crate::rules::cooldown::Reason;
use crate::rules::job_view::JobView;
use crate::rules::outcome::{self, Moment, Outcome};
use crate::rules::poll;
use crate::rules::retry_after;

/// The status requests that run at once.
const AT_ONCE: usize = 3;
/// The jobs that are read from the index together.
const PAGE: usize = 30;
/// The pages of one pass; the next pass goes on.
const PAGES: usize = 20;

/// Asks for every job whose time has come.
pub async fn reconcile(api: &Api<'_>) -> Result<(), WorkError> {
    let core = api.core;
    for _ in 0..PAGES {
        core.ports.clock.breathe().await;
        if !api.is_current() || core.with_state(|state| state.may_ask(core.now())).is_err() {
            return Ok(());
        }
        let due = core.fenced(api.fence, |index| index.due_jobs(&api.account, core.now(), PAGE))?;
        if due.is_empty() {
            return Ok(());
        }
        let mut asking = stream::iter(due.into_iter().map(|job| one(api, job))).buffer_unordered(AT_ONCE);
        while let Some(asked) = asking.next().await {
            asked?;
        }
    }
    api.post(Event::Recorded);
    Ok(())
}

/// One job: its retry, or its status.
async fn one(api: &Api<'_>, job: JobRow) -> Result<(), WorkError> {
    let core = api.core;
    // The requests before this one may have found out that none is of use now.
    if core.with_state(|state| state.may_ask(core.now())).is_err() {
        return Ok(());
    }
    let (method, path) = if job.is_retry {
        (Method::Post, format!("/v2/sync/jobs/{}/retry", job.job_id))
    } else {
        (Method::Get, format!("/v2/sync/jobs/{}", job.job_id))
    };
    let answer = match api.send(&api.call(method, &path)).await {
        Ok(answer) => answer,
        Err(ApiError::Work(error)) => return Err(error),
        Err(error) => {
            api.report(Purpose::Status, &error);
            return unchanged(api, &job, "");
        }
    };
    core.ports.clock.breathe().await;
    core.note(EventKind::StatusHttp { job_id: job.job_id, http_status: answer.status });
    if answer.status < 500 {
        api.post(Event::Answered);
    }
    match answer.status {
        401 => {
            api.post(Event::TokenRefused);
            Ok(())
        }
        403 => not_ours(api, &job),
        404 => lost(api, &job),
        429 => {
            let wait = retry_after::cooldown(answer.header("retry-after"), Reason::RateLimit, core.now());
            api.post(Event::StatusDelayed { wait });
            Ok(())
        }
        // Whatever the server has against a retry, it will have it the next time too.
        400..500 if job.is_retry && answer.status != 408 => lost(api, &job),
        200..300 if job.is_retry => retried(api, job),
        200 => match JobView::parse(&answer.body, job.job_id) {
            Some(view) if view.is_terminal() => terminal(api, &job, &view),
            Some(view) => progress(api, job, &view),
            None => unchanged(api, &job, "garbage"),
        },
        _ => trouble(api, &job, &answer),
    }
}

fn trouble(api: &Api<'_>, job: &JobRow, answer: &Answer) -> Result<(), WorkError> {
    if answer.status >= 500 {
        let asked = retry_after::requested(answer.header("retry-after"), api.core.now());
        let asked = asked.map(|wait| wait.min(backoff::LONGEST));
        api.post(Event::Trouble { purpose: Purpose::Status, asked, random: api.core.unit() });
    }
    unchanged(api, job, "")
}

fn note(api: &Api<'_>, job: &JobRow, members: usize, outcome: PollOutcome, server_status: &str) {
    api.core.note(EventKind::ReconcilePoll {
        job_id: job.job_id,
        members,
        outcome,
        server_status: server_status.chars().take(32).collect(),
        processed: job.processed,
        total: job.total,
    });
}

/// The job is asked for again later; nothing else changes.
fn unchanged(api: &Api<'_>, job: &JobRow, server_status: &str) -> Result<(), WorkError> {
    let step = job.step.saturating_add(1);
    let next_poll_at = Some(api.core.now() + poll::wait(step, None));
    api.core.fenced(api.fence, |index| index.put_job(&JobRow { step, next_poll_at, ..job.clone() }))?;
    note(api, job, 0, PollOutcome::Unchanged, server_status);
    Ok(())
}

/// The job belongs to somebody else, says the server: it is asked for again when the credentials have changed.
fn not_ours(api: &Api<'_>, job: &JobRow) -> Result<(), WorkError> {
    api.core.fenced(api.fence, |index| index.put_job(&JobRow { next_poll_at: None, ..job.clone() }))?;
    note(api, job, 0, PollOutcome::NotOurs, "");
    Ok(())
}

/// The server does not know the job any more, or cannot run it again: its files are uploaded again.
fn lost(api: &Api<'_>, job: &JobRow) -> Result<(), WorkError> {
    let core = api.core;
    let at = Moment { now: core.now(), random: core.unit() };
    let members = core.fenced(api.fence, |index| {
        let chunks = index.chunks_of(&api.account, job.job_id)?;
        let rows: Vec<_> = chunks.iter().map(|chunk| (chunk.id, outcome::lost(chunk.transfer.clone(), at))).collect();
        index.settle(&api.account, job.job_id, &rows, None, None)?;
        Ok(rows.len())
    })?;
    note(api, job, members, PollOutcome::Lost, "");
    core.changed();
    Ok(())
}

/// The server runs the job again.
fn retried(api: &Api<'_>, job: JobRow) -> Result<(), WorkError> {
    let next_poll_at = Some(api.core.now() + poll::wait(0, None));
    let again = JobRow { step: 0, next_poll_at, is_retry: false, status: "queued".to_owned(), ..job };
    api.core.fenced(api.fence, |index| index.put_job(&again))?;
    note(api, &again, 0, PollOutcome::Retried, "queued");
    Ok(())
}

fn progress(api: &Api<'_>, job: JobRow, view: &JobView) -> Result<(), WorkError> {
    let core = api.core;
    let is_progress = view.status != job.status || view.processed_segments != job.processed;
    let step = if is_progress { 0 } else { job.step.saturating_add(1) };
    let next = JobRow {
        step,
        next_poll_at: Some(core.now() + poll::wait(step, view.poll_after_ms)),
        status: view.status.chars().take(32).collect(),
        processed: view.processed_segments,
        total: view.total_segments,
        ..job
    };
    core.fenced(api.fence, |index| index.put_job(&next))?;
    let outcome = if is_progress { PollOutcome::Progress } else { PollOutcome::NoProgress };
    note(api, &next, view.files.len(), outcome, &view.status);
    if is_progress {
        core.changed();
    }
    Ok(())
}

/// The job is over: each file has its own outcome, and the app learns of the job once.
fn terminal(api: &Api<'_>, job: &JobRow, view: &JobView) -> Result<(), WorkError> {
    let core = api.core;
    let at = Moment { now: core.now(), random: core.unit() };
    let rows = core.fenced(api.fence, |index| {
        let chunks = index.chunks_of(&api.account, job.job_id)?;
        let (mut rows, mut waits, mut retries) = (Vec::new(), false, 0);
        for chunk in &chunks {
            let outcome = outcome::outcome(view, &chunk.name);
            let (after, retry) = outcome::apply(chunk, &outcome, at);
            waits |= retry;
            retries = retries.max(after.service_retries);
            rows.push((chunk.clone(), outcome, after));
        }
        let retry = waits.then(|| JobRow {
            is_retry: true,
            step: 0,
            next_poll_at: Some(at.now + backoff::delay(retries, at.random)),
            status: view.status.clone(),
            ..job.clone()
        });
        let changes: Vec<(ChunkId, Transfer)> =
            rows.iter().map(|(chunk, _, after)| (chunk.id, after.clone())).collect();
        let result = result(view, job.job_id, &rows, at.now);
        index.settle(&api.account, job.job_id, &changes, retry.as_ref(), Some(&result))?;
        Ok(rows)
    })?;
    note(api, job, rows.len(), PollOutcome::Terminal, &view.status);
    let failed = rows.iter().filter(|(_, outcome, _)| *outcome != Outcome::Synced).count();
    for (chunk, outcome, after) in &rows {
        note_revert(api, job.job_id, chunk, outcome, after, (failed, rows.len()));
    }
    core.changed();
    Ok(())
}

fn result(view: &JobView, job_id: JobId, rows: &[(Chunk, Outcome, Transfer)], now: Timestamp) -> StoredResult {
    let found = view.result.clone().unwrap_or_default();
    let completed = Completed {
        job_id,
        // A server that forgets the time must not hide the end of a job.
        completed_at: view.completed_at.unwrap_or(now),
        status: view.status.clone(),
        new_conversation_ids: found.new_conversation_ids,
        updated_conversation_ids: found.updated_conversation_ids,
        files: rows
            .iter()
            .map(|(chunk, _, after)| completed::File { id: chunk.id, name: chunk.name.clone(), state: after.state })
            .collect(),
    };
    StoredResult { job_id, completed_at: completed.completed_at, body: completed.to_json() }
}

fn note_revert(
    api: &Api<'_>,
    job_id: JobId,
    chunk: &Chunk,
    outcome: &Outcome,
    after: &Transfer,
    (failed, total): (usize, usize),
) {
    if after.state == State::Synced {
        return;
    }
    let error = after.last_error.as_ref();
    api.core.note(EventKind::ReconcileRevert {
        id: chunk.id,
        job_id,
        outcome: after.state.as_str(),
        server_code: error.map(|error| error.code.clone()).unwrap_or_default(),
        blame: error.and_then(|error| error.blame),
        failed,
        total,
        retry_count: after.retry_count,
        retry_counted: matches!(outcome, Outcome::Again { counted: true, .. }),
    });
}
