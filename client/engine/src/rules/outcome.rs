//! What the end of a job means for each of its files (R8, R22, R24, R31).

use domain::{Blame, Timestamp};

use super::backoff;
use super::job_view::{FileView, JobView};
use crate::chunk::{Chunk, LastError, State, Transfer};
use crate::mistakes::{self, Mistake};

/// What becomes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is left to do; the file may be deleted by the app's policy.
    Synced,
    /// The file is kept until the user decides, in this state.
    Settled(State, LastError),
    /// It is uploaded again; `counted` if the recording is to blame.
    Again { counted: bool, error: LastError },
    /// The server is asked to try again what it has.
    ServerRetry(LastError),
}

/// The outcome of a file in a job that is over.
pub fn outcome(job: &JobView, name: &str) -> Outcome {
    let Some(file) = job.file(name) else {
        return Outcome::Again { counted: false, error: LastError::new("local_not_in_job", None, "") };
    };
    if file.is_whole() || (file.is_good() && mistakes::is_planted(Mistake::PartlyDecodedIsDone)) {
        return Outcome::Synced;
    }
    let error = error_of(file);
    match file.code.as_deref() {
        _ if file.is_good() => Outcome::Settled(State::Kept, error),
        _ if job.is_cancelled() => Outcome::Settled(State::Held, error),
        Some("invalid_audio") => Outcome::Settled(State::Unreadable, error),
        Some("language_unsupported") => Outcome::Settled(State::Held, error),
        _ if file.status != "failed" => Outcome::Again { counted: false, error },
        _ if file.blame() == Some(Blame::Content) => Outcome::Again { counted: true, error },
        _ if file.retryable == Some(true) => Outcome::ServerRetry(error),
        _ => Outcome::Again { counted: false, error },
    }
}

fn error_of(file: &FileView) -> LastError {
    let code = file.code.clone().unwrap_or_else(|| format!("local_status_{}", file.status));
    LastError::new(code, file.blame(), file.detail.as_deref().unwrap_or_default())
}

/// What is known when an outcome is applied.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: Timestamp,
    /// From 0 to 1, for jitter.
    pub random: f64,
}

/// The chunk after its outcome, and whether its job waits to be retried by the server.
pub fn apply(chunk: &Chunk, outcome: &Outcome, at: Moment) -> (Transfer, bool) {
    let before = chunk.transfer.clone();
    let settled = |state, last_error| Transfer {
        state,
        last_error,
        confirmed_at: Some(at.now),
        next_attempt_at: None,
        ..before.clone()
    };
    match outcome {
        Outcome::Synced => (settled(State::Synced, None), false),
        Outcome::Settled(state, error) => (settled(*state, Some(error.clone())), false),
        Outcome::Again { counted: true, error } => (count(before, error.clone(), at), false),
        // A server that fails in ways that it does not explain must not make the device upload without end.
        Outcome::Again { counted: false, error } => (again_later(before, error.clone(), at), false),
        Outcome::ServerRetry(error) if before.service_retries < backoff::SERVER_RETRIES => {
            let service_retries = before.service_retries + 1;
            (Transfer { service_retries, last_error: Some(error.clone()), ..before }, true)
        }
        Outcome::ServerRetry(error) => (again_later(before, error.clone(), at), false),
    }
}

/// Counts a failure against the recording. Nothing but this raises the count.
pub fn count(before: Transfer, error: LastError, at: Moment) -> Transfer {
    let retry_count = before.retry_count.saturating_add(1);
    Transfer {
        state: State::Pending,
        retry_count,
        attempts: before.attempts.saturating_add(1),
        next_attempt_at: Some(at.now + backoff::delay(retry_count, at.random)),
        last_error: Some(error),
        job_id: None,
        ..before
    }
}

/// Uploads it again after a delay that grows; after the server's retries are used up, once a day.
fn again_later(before: Transfer, error: LastError, at: Moment) -> Transfer {
    let service_retries = before.service_retries.saturating_add(1);
    let wait = if service_retries > backoff::SERVER_RETRIES {
        backoff::SHOWN_AND_RETRIED
    } else {
        backoff::delay(service_retries, at.random)
    };
    Transfer {
        state: State::Pending,
        service_retries,
        next_attempt_at: Some(at.now + wait),
        last_error: Some(error),
        job_id: None,
        ..before
    }
}

/// The job is not known any more: its files are uploaded again, and nothing is counted. The first time that happens at once;
/// a server that forgets every job must not make the device upload without a pause.
pub fn lost(before: Transfer, at: Moment) -> Transfer {
    let error = LastError::new("job_not_found", Some(Blame::Service), "");
    let losses = before.losses;
    let next_attempt_at = (losses > 0).then(|| at.now + backoff::delay(losses, at.random));
    Transfer {
        state: State::Pending,
        job_id: None,
        losses: losses.saturating_add(1),
        next_attempt_at,
        last_error: Some(error),
        ..before
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::chunk;

    const AT: Moment = Moment { now: Timestamp::from_secs(1_800_000_000), random: 0.5 };

    fn job(status: &str, file: &str) -> JobView {
        let body =
            format!(r#"{{"job_id":"6f0c0000-0000-4000-8000-000000000000","status":"{status}","files":[{file}]}}"#);
        JobView::parse(body.as_bytes(), "6f0c0000-0000-4000-8000-000000000000".parse().unwrap()).unwrap()
    }

    fn of(status: &str, file: &str) -> Outcome {
        outcome(&job(status, file), "x")
    }

    fn failed(code: &str, blame: &str, retryable: bool) -> String {
        format!(r#"{{"name":"x","status":"failed","code":"{code}","blame":"{blame}","retryable":{retryable}}}"#)
    }

    #[test]
    fn r08_only_done_or_silent_without_a_code_is_synced() {
        for status in ["completed", "partial_failure", "failed", "cancelled"] {
            assert_eq!(of(status, r#"{"name":"x","status":"done","code":null}"#), Outcome::Synced, "{status}");
            assert_eq!(of(status, r#"{"name":"x","status":"silent"}"#), Outcome::Synced, "{status}");
            let partly = of(status, r#"{"name":"x","status":"done","code":"partly_decoded","blame":"content"}"#);
            assert!(matches!(partly, Outcome::Settled(State::Kept, _)), "{partly:?}");
            for unknown in ["", "Done", "finished", "queued", "processing", "failed"] {
                let found = of(status, &format!(r#"{{"name":"x","status":"{unknown}"}}"#));
                assert_ne!(found, Outcome::Synced, "{unknown}");
            }
            assert_ne!(of(status, r#"{"name":"other","status":"done"}"#), Outcome::Synced);
        }
        let state = |outcome: &Outcome| apply(&chunk(1), outcome, AT).0.state;
        assert_eq!(state(&Outcome::Synced), State::Synced);
        for state in [State::Synced, State::Kept] {
            assert!(!state.is_open());
        }
    }

    #[test]
    fn r31_each_file_of_a_job_has_its_own_outcome() {
        let kept =
            |found: Outcome, state| assert!(matches!(&found, Outcome::Settled(s, _) if *s == state), "{found:?}");
        kept(of("failed", &failed("invalid_audio", "content", false)), State::Unreadable);
        kept(of("failed", &failed("language_unsupported", "limit", false)), State::Held);
        kept(of("cancelled", r#"{"name":"x","status":"queued"}"#), State::Held);
        kept(of("cancelled", &failed("transcription_failed", "service", true)), State::Held);
        assert_eq!(of("cancelled", r#"{"name":"x","status":"done"}"#), Outcome::Synced);
    }

    #[test]
    fn r22_only_blame_content_counts() {
        for (code, blame, counted) in [
            ("transcription_refused", "content", true),
            ("digest_mismatch", "content", true),
            ("waited_too_long", "limit", false),
            ("staged_audio_missing", "service", false),
            ("internal", "nobody", false),
        ] {
            for retryable in [true, false] {
                let found = of("failed", &failed(code, blame, retryable));
                let (after, _) = apply(&chunk(1), &found, AT);
                assert_eq!(after.retry_count, u32::from(counted), "{code} {found:?}");
            }
        }
        let once = lost(Transfer { retry_count: 2, ..Transfer::pending() }, AT);
        assert_eq!((once.retry_count, once.service_retries, once.next_attempt_at), (2, 0, None));
        assert_eq!(lost(once, AT).next_attempt_at, Some(AT.now + Duration::from_secs(5)));
    }

    #[test]
    fn r24_server_retries_three_times_and_then_the_upload_is_repeated_daily() {
        let mut one = chunk(1);
        one.transfer.state = State::Uploaded;
        let found = of("failed", &failed("transcription_failed", "service", true));
        for n in 1..=3 {
            let (after, waits) = apply(&one, &found, AT);
            assert_eq!((after.state, after.service_retries, after.retry_count, waits), (State::Uploaded, n, 0, true));
            one.transfer = after;
        }
        for _ in 0..2 {
            let (after, waits) = apply(&one, &found, AT);
            assert_eq!((after.state, after.retry_count, waits), (State::Pending, 0, false));
            assert_eq!(after.next_attempt_at, Some(AT.now + Duration::from_secs(86_400)));
            one.transfer = after;
        }
    }
}
