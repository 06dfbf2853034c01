//! What the answer to an upload means for each of its files, and for the account (R19 to R22).

use std::time::Duration;

use domain::Timestamp;

use super::backoff;
use super::batch::{Route, half, is_too_large, limit_after_failure};
use super::cooldown::Reason;
use super::limits::UploadLimits;
use super::outcome::{self, Moment};
use super::problem::{FileProblem, Problem, blame};
use super::retry_after;
use super::session::Accepted;
use crate::chunk::{Chunk, ChunkId, LastError, State, Transfer};
use crate::mistakes::{self, Mistake};
use crate::ports::{Answer, HttpError};

/// A recording in the future waits this long if the server does not say how long.
const IN_FUTURE_DEFAULT: Duration = Duration::from_secs(300);
const IN_FUTURE_LONGEST: Duration = Duration::from_secs(24 * 3600);

/// What an answer means for the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the next batch may go.
    GoOn,
    /// The batch has a job.
    Accepted(Accepted),
    /// A cooldown begins.
    Cooldown { reason: Reason, wait: Duration },
    /// The token was refused, also after it was renewed.
    CredentialsRefused,
    /// The account may not upload.
    Forbidden,
    /// The network or the service does not work: nothing is sent for a while, or for as long as the server asks.
    Trouble { asked: Option<Duration> },
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub effect: Effect,
    /// The rows that change.
    pub rows: Vec<(ChunkId, Transfer)>,
}

/// How a batch was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    pub route: Route,
    pub limits: UploadLimits,
    pub at: Moment,
}

/// Judges the answer to a multipart batch, or to the opening or completion of a session.
pub fn judge(result: &Result<Answer, HttpError>, batch: &[Chunk], sending: &Sending) -> Judgement {
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return no_answer(error, batch, sending),
    };
    let problem = Problem::of(answer);
    let now = sending.at.now;
    match answer.status {
        200..300 => match Accepted::parse(&answer.body) {
            Some(accepted) => accept(accepted, batch, now),
            None => trouble(batch, sending, "local_garbage", answer),
        },
        401 => unchanged(Effect::CredentialsRefused),
        403 => unchanged(Effect::Forbidden),
        429 => cooldown(reason(answer, &problem).unwrap_or(Reason::RateLimit), answer, batch, sending),
        503 if reason(answer, &problem) == Some(Reason::BackendBusy) => {
            cooldown(Reason::BackendBusy, answer, batch, sending)
        }
        400..500 if answer.status != 408 => refused(answer, &problem, batch, sending),
        _ => trouble(batch, sending, if problem.code.is_empty() { "local_garbage" } else { &problem.code }, answer),
    }
}

fn unchanged(effect: Effect) -> Judgement {
    Judgement { effect, rows: Vec::new() }
}

/// All files of a batch are in this job now. That is no confirmation (R8).
pub fn accept(accepted: Accepted, batch: &[Chunk], now: Timestamp) -> Judgement {
    let state = if mistakes::is_planted(Mistake::AcceptedIsConfirmed) { State::Synced } else { State::Uploaded };
    let uploaded = |chunk: &Chunk| Transfer {
        state,
        job_id: Some(accepted.job_id),
        uploaded_at: Some(now),
        confirmed_at: None,
        attempts: 0,
        next_attempt_at: None,
        last_error: None,
        batch_limit: None,
        was_missing: false,
        ..chunk.transfer.clone()
    };
    let rows = batch.iter().map(|chunk| (chunk.id, uploaded(chunk))).collect();
    Judgement { effect: Effect::Accepted(accepted), rows }
}

fn reason(answer: &Answer, problem: &Problem) -> Option<Reason> {
    let by_header = answer.header("x-rate-limit-reason");
    let known = |word: &str| Reason::ALL.into_iter().find(|reason| reason.as_str() == word);
    by_header.and_then(known).or(match problem.code.as_str() {
        "fair_use_restricted" => Some(Reason::FairUse),
        "rate_limited" | "staged_bytes_exceeded" => Some(Reason::RateLimit),
        "backend_busy" => Some(Reason::BackendBusy),
        _ => None,
    })
}

fn cooldown(reason: Reason, answer: &Answer, batch: &[Chunk], sending: &Sending) -> Judgement {
    let wait = retry_after::cooldown(answer.header("retry-after"), reason, sending.at.now);
    let mut judgement = unchanged(Effect::Cooldown { reason, wait });
    if mistakes::is_planted(Mistake::RateLimitCounted) {
        let error = || LastError::new("rate_limited", None, "");
        judgement.rows = each(batch, |chunk| outcome::count(chunk.transfer.clone(), error(), sending.at));
    }
    judgement
}

fn each(batch: &[Chunk], change: impl Fn(&Chunk) -> Transfer) -> Vec<(ChunkId, Transfer)> {
    batch.iter().map(|chunk| (chunk.id, change(chunk))).collect()
}

fn no_answer(error: &HttpError, batch: &[Chunk], sending: &Sending) -> Judgement {
    let code = match error {
        HttpError::Connect(_) => "local_no_connection",
        HttpError::Broken(_) => "local_connection_broken",
        HttpError::Timeout => "local_timeout",
        HttpError::Certificate(_) => "local_certificate",
        HttpError::Source(_) => "local_read_failed",
    };
    let later = |chunk: &Chunk| failed(chunk, batch.len(), LastError::new(code, None, ""), sending.at);
    let mut rows = each(batch, later);
    if mistakes::is_planted(Mistake::OfflineCounted) && matches!(error, HttpError::Connect(_)) {
        let error = || LastError::new(code, None, "");
        rows = each(batch, |chunk| outcome::count(chunk.transfer.clone(), error(), sending.at));
    }
    // A file that cannot be read for now says nothing about the network.
    let is_local = matches!(error, HttpError::Source(_));
    Judgement { effect: if is_local { Effect::GoOn } else { Effect::Trouble { asked: None } }, rows }
}

/// An attempt failed that does not count against the recording: it is repeated later, in a smaller batch (R20).
pub fn failed(chunk: &Chunk, batch_files: usize, error: LastError, at: Moment) -> Transfer {
    let attempts = chunk.transfer.attempts.saturating_add(1);
    Transfer {
        attempts,
        next_attempt_at: Some(at.now + backoff::delay(attempts, at.random)),
        last_error: Some(error),
        batch_limit: limit_after_failure(attempts, batch_files).or(chunk.transfer.batch_limit),
        ..chunk.transfer.clone()
    }
}

fn trouble(batch: &[Chunk], sending: &Sending, code: &str, answer: &Answer) -> Judgement {
    let error = LastError::new(code, blame(code), &format!("HTTP {}", answer.status));
    let rows = each(batch, |chunk| failed(chunk, batch.len(), error.clone(), sending.at));
    let asked =
        retry_after::requested(answer.header("retry-after"), sending.at.now).map(|wait| wait.min(backoff::LONGEST));
    Judgement { effect: Effect::Trouble { asked }, rows }
}

/// A 4xx: the files that it names, or the batch.
fn refused(answer: &Answer, problem: &Problem, batch: &[Chunk], sending: &Sending) -> Judgement {
    let named = batch.iter().filter_map(|chunk| Some((chunk.id, refused_file(chunk, problem, answer, sending)?)));
    let mut rows: Vec<_> = named.collect();
    if rows.is_empty() {
        let is_too_large = answer.status == 413;
        rows = if is_too_large { smaller(batch) } else { Vec::new() };
    }
    if rows.is_empty() {
        // An answer that changes nothing would be asked for again at once, without end.
        let code = if problem.code.is_empty() { format!("local_http_{}", answer.status) } else { problem.code.clone() };
        let error = LastError::new(code.as_str(), blame(&code).filter(|_| false), &problem.detail);
        rows = each(batch, |chunk| failed(chunk, batch.len(), error.clone(), sending.at));
    }
    Judgement { effect: Effect::GoOn, rows }
}

/// The batch is too large: half of it, and in the end one file by the resumable protocol. Empty if that was refused too.
fn smaller(batch: &[Chunk]) -> Vec<(ChunkId, Transfer)> {
    match batch {
        [one] if one.transfer.resumable => Vec::new(),
        [one] => vec![(one.id, Transfer { resumable: true, ..one.transfer.clone() })],
        _ => each(batch, |chunk| Transfer { batch_limit: Some(half(batch.len())), ..chunk.transfer.clone() }),
    }
}

/// What the answer says of this file; `None` if it is not named.
fn refused_file(chunk: &Chunk, problem: &Problem, answer: &Answer, sending: &Sending) -> Option<Transfer> {
    let named: &FileProblem = problem.of_file(&chunk.name)?;
    let error = LastError::new(named.code.as_str(), blame(&named.code), &named.detail);
    let settled = |state| Transfer {
        state,
        last_error: Some(error.clone()),
        confirmed_at: Some(sending.at.now),
        next_attempt_at: None,
        ..chunk.transfer.clone()
    };
    Some(match named.code.as_str() {
        "invalid_filename" | "empty_file" => settled(State::Rejected),
        "recording_too_old" => settled(State::TooOld),
        "file_too_large" if is_too_large(chunk, &sending.limits) || sending.route != Route::Multipart => {
            settled(State::Rejected)
        }
        "file_too_large" => Transfer { resumable: true, ..chunk.transfer.clone() },
        "recording_in_future" => {
            let asked = retry_after::requested(answer.header("retry-after"), sending.at.now);
            let wait = asked.unwrap_or(IN_FUTURE_DEFAULT).min(IN_FUTURE_LONGEST);
            let next_attempt_at = Some(sending.at.now + wait);
            Transfer { next_attempt_at, last_error: Some(error), ..chunk.transfer.clone() }
        }
        "digest_mismatch" => outcome::count(chunk.transfer.clone(), error, sending.at),
        "duplicate_filename" if sending.route == Route::Multipart && chunk.transfer.batch_limit != Some(1) => {
            Transfer { batch_limit: Some(1), ..chunk.transfer.clone() }
        }
        _ => failed(chunk, 1, error, sending.at),
    })
}

#[cfg(test)]
mod tests;
