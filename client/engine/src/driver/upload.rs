//! Uploads what is pending, batch by batch (R16 to R22, R28).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::Timestamp;

use super::api::{Api, ApiError, Call, answered, status_of};
use super::files::{self, Checked};
use super::multipart;
use super::resumable;
use super::source::{Segment, Segments};
use crate::chunk::{Chunk, ChunkId, Transfer};
use crate::coordinator::{Event, Purpose};
use crate::core::WorkError;
use crate::events::EventKind;
use crate::index::JobRow;
use crate::ports::{Answer, Body, BodySource, Method};
use crate::rules::backoff;
use crate::rules::batch::{self, Route, is_too_large};
use crate::rules::judge::{Effect, Judgement, Sending, judge};
use crate::rules::limits::{self, UploadLimits};
use crate::rules::outcome::Moment;
use crate::rules::poll;
use crate::rules::session::Accepted;

/// The candidates from which a batch is cut.
const CANDIDATES: usize = 20;
/// A pass uploads at most this many batches; the next pass goes on. Statuses are asked for between them.
const BATCHES_A_PASS: usize = 50;

/// Uploads until nothing is due, or nothing may be sent.
pub async fn upload(api: &Api<'_>) -> Result<(), WorkError> {
    let core = api.core;
    let began = core.now();
    for _ in 0..BATCHES_A_PASS {
        core.ports.clock.breathe().await;
        // The gate: every batch asks anew, whatever was true a moment ago.
        core.check_clock();
        if !api.is_current() || core.with_state(|state| state.may_upload(core.now())).is_err() {
            return Ok(());
        }
        let Some(limits) = known_limits(api).await? else { return Ok(()) };
        // The look at the limits may have begun a cooldown.
        if core.with_state(|state| state.may_upload(core.now())).is_err() {
            return Ok(());
        }
        let candidates = core.fenced(api.fence, |index| {
            // The clock may be set back in the middle of a pass.
            let (now, began) = (core.now(), began.min(core.now()));
            index.next_batch(&api.account, began, now, CANDIDATES)
        })?;
        if candidates.is_empty() {
            return Ok(());
        }
        let (route, batch) = batch::cut(candidates, &limits);
        let checked = check(api, batch, &limits)?;
        if checked.ready.is_empty() {
            continue;
        }
        core.ports.clock.breathe().await;
        send(api, route, checked.ready, limits).await?;
        core.clear_progress();
    }
    // More is due: one more pass.
    api.post(Event::Recorded);
    Ok(())
}

/// The limits of the server: asked for once, and again after fair use ran out (R29).
async fn known_limits(api: &Api<'_>) -> Result<Option<UploadLimits>, WorkError> {
    let core = api.core;
    let (known, must_check) = core.with_state(|state| (state.limits, state.cooldowns.must_check_limits));
    if let Some(limits) = known.filter(|_| !must_check) {
        return Ok(Some(limits));
    }
    let answer = match api.send(&api.call(Method::Get, "/v2/limits")).await {
        Ok(answer) => answer,
        Err(ApiError::Work(error)) => return Err(error),
        Err(error) => {
            api.report(Purpose::Upload, &error);
            return Ok(None);
        }
    };
    use crate::rules::cooldown::Reason;
    match (answer.status, limits::parse(&answer.body, Reason::FairUse.default_wait(), core.now())) {
        (200, Some(found)) => {
            api.post(Event::LimitsKnown(found.upload));
            api.post(Event::FairUseChecked);
            if let Some(wait) = found.refused_for.filter(|_| must_check) {
                api.post(Event::CooldownBegan { reason: Reason::FairUse, wait });
            }
            Ok(Some(found.upload))
        }
        (401, _) => {
            api.post(Event::TokenRefused);
            Ok(None)
        }
        // A server that does not tell its limits: small batches fit everywhere.
        (404 | 405, _) => {
            api.post(Event::LimitsKnown(UploadLimits::default()));
            api.post(Event::FairUseChecked);
            Ok(Some(UploadLimits::default()))
        }
        _ => {
            api.trouble(Purpose::Upload);
            Ok(None)
        }
    }
}

/// Looks for the files, and stores what was found out about those that are not as the index says.
fn check(api: &Api<'_>, batch: Vec<Chunk>, limits: &UploadLimits) -> Result<Checked, WorkError> {
    let core = api.core;
    let (too_large, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(|chunk| is_too_large(chunk, limits));
    let mut checked = files::check(core, batch);
    checked.changed.extend(too_large.into_iter().map(|chunk| (chunk.id, rejected_here(&chunk, core.now()))));
    core.fenced(api.fence, |index| {
        index.save(&api.account, &checked.changed)?;
        for folder in &checked.locked {
            // Every other file in it would be found like this one: they are not looked for one by one.
            let again = core.now() + backoff::delay(files::READ_AGAIN, core.unit());
            index.delay_folder(&api.account, folder, again)?;
        }
        for (id, bytes) in &checked.grows {
            index.resized(*id, *bytes, core.now() + backoff::delay(files::STILL_FOR, core.unit()))?;
        }
        for (id, found) in &checked.differs {
            index.rehashed(*id, found.bytes, found.sha256, found.crc32c)?;
        }
        Ok(())
    })?;
    if !checked.changed.is_empty() || !checked.locked.is_empty() {
        core.changed();
    }
    Ok(checked)
}

fn rejected_here(chunk: &Chunk, now: Timestamp) -> Transfer {
    use crate::chunk::{LastError, State};
    Transfer {
        state: State::Rejected,
        last_error: Some(LastError::new("file_too_large", None, "")),
        confirmed_at: Some(now),
        next_attempt_at: None,
        ..chunk.transfer.clone()
    }
}

async fn send(
    api: &Api<'_>,
    route: Route,
    files: Vec<(Chunk, PathBuf)>,
    limits: UploadLimits,
) -> Result<(), WorkError> {
    let core = api.core;
    let sent_at = core.now();
    let chunks: Vec<Chunk> = files.iter().map(|(chunk, _)| chunk.clone()).collect();
    let bytes = chunks.iter().map(|chunk| chunk.bytes).sum();
    core.note(EventKind::UploadStarted { files: files.len(), bytes, resumable: route != Route::Multipart });
    let sending = |now| Sending { route, limits, at: Moment { now, random: core.unit() } };
    let judged = if route == Route::Multipart {
        let result = send_batch(api, &files).await;
        answered(api, result)?.map(|result| (status_of(&result), judge(&result, &chunks, &sending(core.now()))))
    } else {
        resumable::send(api, &files, &sending(sent_at)).await?
    };
    core.ports.clock.breathe().await;
    if let Some((status, judgement)) = judged {
        apply(api, &chunks, status, judgement, sent_at)?;
    }
    core.ports.clock.breathe().await;
    Ok(())
}

async fn send_batch(api: &Api<'_>, files: &[(Chunk, PathBuf)]) -> Result<Answer, ApiError> {
    let core = api.core;
    let boundary = multipart::boundary(|| core.ports.random.next());
    let segments = multipart::segments(files, &boundary);
    let length = segments.iter().map(Segment::length).sum();
    let sent = Arc::new(AtomicU64::new(0));
    let ids: Vec<(ChunkId, u64)> = files.iter().map(|(chunk, _)| (chunk.id, chunk.bytes)).collect();
    let disk = Arc::clone(&core.ports.disk);
    let body = || {
        sent.store(0, Ordering::Relaxed);
        let segments = Segments::new(Arc::clone(&disk), segments.clone(), Arc::clone(&sent));
        let source: Box<dyn BodySource> = Box::new(segments);
        Ok(Body { length, source })
    };
    for (id, bytes) in &ids {
        core.set_progress(*id, 0, *bytes);
    }
    let conversation = files.first().and_then(|(chunk, _)| chunk.conversation_id);
    let query = conversation.map_or(String::new(), |id| format!("?conversation_id={id}"));
    let mut call: Call<'_> = api.call(Method::Post, &format!("/v2/sync/upload{query}"));
    call.headers.push(("content-type", format!("multipart/form-data; boundary={boundary}")));
    call.body = &body;
    api.send(&call).await
}

/// Stores what an answer means, and tells the coordinator.
fn apply(
    api: &Api<'_>,
    batch: &[Chunk],
    status: u16,
    judgement: Judgement,
    sent_at: Timestamp,
) -> Result<(), WorkError> {
    let core = api.core;
    let Judgement { effect, rows } = judgement;
    core.fenced(api.fence, |index| match &effect {
        Effect::Accepted(accepted) => {
            let conversation = batch.first().and_then(|chunk| chunk.conversation_id);
            index.accepted(&new_job(api, accepted, core.now()), &rows, conversation)
        }
        _ => index.save(&api.account, &rows),
    })?;
    let error = rows.iter().find_map(|(_, row)| row.last_error.clone()).map(|error| error.code).unwrap_or_default();
    let outcome = match &effect {
        Effect::Accepted(_) => "accepted",
        Effect::GoOn => "refused",
        Effect::Cooldown { .. } => "cooldown",
        Effect::CredentialsRefused => "credentials_refused",
        Effect::Forbidden => "forbidden",
        Effect::Trouble { .. } => "unreachable",
    };
    core.note(EventKind::UploadFinished { files: batch.len(), outcome, http_status: status, error });
    match effect {
        Effect::Accepted(accepted) => api.post(Event::Accepted { sent_at, deduplicated: accepted.deduplicated }),
        Effect::GoOn if status > 0 => api.post(Event::Answered),
        Effect::GoOn => {}
        Effect::Cooldown { reason, wait } => api.post(Event::CooldownBegan { reason, wait }),
        Effect::CredentialsRefused => api.post(Event::TokenRefused),
        Effect::Forbidden => api.post(Event::UploadForbidden),
        Effect::Trouble { asked } => api.post(Event::Trouble { purpose: Purpose::Upload, asked, random: core.unit() }),
    }
    core.changed();
    Ok(())
}

fn new_job(api: &Api<'_>, accepted: &Accepted, now: Timestamp) -> JobRow {
    JobRow {
        job_id: accepted.job_id,
        owner: api.account.clone(),
        step: 0,
        // What is known already is over already.
        next_poll_at: Some(if accepted.deduplicated { now } else { now + poll::wait(0, accepted.poll_after_ms) }),
        is_retry: false,
        status: "queued".to_owned(),
        processed: 0,
        total: 0,
    }
}
