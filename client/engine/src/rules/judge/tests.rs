use super::*;
use crate::testing::chunk;

const AT: Moment = Moment { now: Timestamp::from_secs(1_800_000_000), random: 0.5 };
const MULTIPART: Sending = Sending {
    route: Route::Multipart,
    limits: UploadLimits {
        max_file_bytes: 1 << 20,
        max_batch_bytes: 8 << 20,
        max_files: 20,
        resumable_max_file_bytes: 1 << 30,
    },
    at: AT,
};

fn answer(status: u16, body: &str) -> Result<Answer, HttpError> {
    Ok(Answer { status, headers: Vec::new(), body: body.into() })
}

fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Answer, HttpError> {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Ok(Answer { status, headers, body: body.into() })
}

fn naming(status: u16, id: i64, code: &str) -> Result<Answer, HttpError> {
    let name = chunk(id).name;
    let body =
        format!(r#"{{"code":"{code}","detail":"d","errors":[{{"file":"{name}","code":"{code}","detail":"d"}}]}}"#);
    with(status, &[("retry-after", "640")], &body)
}

fn one(result: &Result<Answer, HttpError>, sending: &Sending) -> (Effect, Transfer) {
    let Judgement { effect, rows } = judge(result, &[chunk(1)], sending);
    (effect, rows.into_iter().next().map_or_else(Transfer::pending, |(_, row)| row))
}

#[test]
fn r08_accepted_upload_is_uploaded_and_not_synced() {
    let body = r#"{"job_id":"6f0c0000-0000-4000-8000-000000000000","deduplicated":true,"poll_after_ms":3000}"#;
    let (effect, row) = one(&answer(202, body), &MULTIPART);
    assert!(matches!(effect, Effect::Accepted(Accepted { deduplicated: true, .. })));
    assert_eq!((row.state, row.job_id.is_some(), row.confirmed_at), (State::Uploaded, true, None));
}

#[test]
fn r19_answers_are_judged_by_code_and_by_the_files_named() {
    for (status, code, state) in [
        (400, "invalid_filename", State::Rejected),
        (400, "empty_file", State::Rejected),
        (422, "recording_too_old", State::TooOld),
        (422, "recording_in_future", State::Pending),
        (413, "file_too_large", State::Pending),
        (400, "never_heard_of", State::Pending),
    ] {
        let Judgement { effect, rows } = judge(&naming(status, 2, code), &[chunk(1), chunk(2), chunk(3)], &MULTIPART);
        assert_eq!(effect, Effect::GoOn, "{code}");
        let [(id, row)] = &rows[..] else { panic!("{code}: only the named file changes: {rows:?}") };
        assert_eq!((id.0, row.state, row.retry_count), (2, state, 0), "{code}");
    }
    let waits = one(&naming(422, 1, "recording_in_future"), &MULTIPART).1;
    assert_eq!(waits.next_attempt_at, Some(AT.now + Duration::from_secs(640)));
    assert!(one(&naming(413, 1, "file_too_large"), &MULTIPART).1.resumable);
    let resumable = Sending { route: Route::Resumable, ..MULTIPART };
    assert_eq!(one(&naming(413, 1, "file_too_large"), &resumable).1.state, State::Rejected);
}

#[test]
fn r19_batch_that_is_too_large_is_halved_and_then_resumable() {
    for body in [r#"{"code":"batch_too_large"}"#, r#"{"code":"too_many_files"}"#, "<html>413</html>"] {
        let batch: Vec<_> = (1..=5).map(chunk).collect();
        let Judgement { effect, rows } = judge(&answer(413, body), &batch, &MULTIPART);
        assert_eq!(effect, Effect::GoOn);
        assert!(rows.len() == 5 && rows.iter().all(|(_, row)| row.batch_limit == Some(3) && row.attempts == 0));
        let (_, alone) = one(&answer(413, body), &MULTIPART);
        assert!(alone.resumable && alone.retry_count == 0 && alone.next_attempt_at.is_none());
        let mut again = chunk(1);
        again.transfer = alone;
        let refused = judge(&answer(413, body), &[again], &MULTIPART);
        assert!(refused.rows[0].1.next_attempt_at.is_some(), "it is not tried again at once, without end");
    }
}

#[test]
fn r19_answer_that_names_no_file_of_the_batch_is_not_repeated_at_once() {
    for result in
        [naming(400, 9, "invalid_filename"), answer(400, r#"{"code":"malformed_multipart"}"#), answer(418, "tea")]
    {
        let (effect, row) = one(&result, &MULTIPART);
        assert_eq!((effect, row.state, row.retry_count), (Effect::GoOn, State::Pending, 0));
        assert!(row.next_attempt_at.is_some());
    }
}

#[test]
fn r21_the_same_job_again_is_accepted_like_the_first_time() {
    let body = r#"{"job_id":"6f0c0000-0000-4000-8000-000000000000","deduplicated":false}"#;
    let first = judge(&answer(202, body), &[chunk(1)], &MULTIPART);
    assert_eq!(judge(&answer(202, body), &[chunk(1)], &MULTIPART), first);
}

#[test]
fn r22_nothing_but_content_is_counted() {
    assert_eq!(one(&naming(422, 1, "digest_mismatch"), &MULTIPART).1.retry_count, 1);
    let nothing: Vec<Result<Answer, HttpError>> = vec![
        Err(HttpError::Connect("offline".into())),
        Err(HttpError::Broken("reset".into())),
        Err(HttpError::Timeout),
        Err(HttpError::Certificate("expired".into())),
        Err(HttpError::Source(std::io::ErrorKind::PermissionDenied.into())),
        answer(200, "<html>"),
        answer(202, "{}"),
        answer(302, ""),
        answer(307, ""),
        answer(401, ""),
        answer(403, ""),
        answer(404, ""),
        answer(408, ""),
        answer(429, ""),
        answer(500, ""),
        answer(502, "<html>"),
        answer(503, ""),
        answer(504, ""),
        answer(599, "{"),
        answer(0, ""),
    ];
    for result in nothing {
        let (effect, row) = one(&result, &MULTIPART);
        assert_eq!((row.retry_count, row.state), (0, State::Pending), "{result:?}");
        assert!(!matches!(effect, Effect::Accepted(_)), "{result:?}");
    }
}

#[test]
fn r22_401_waits_for_credentials_and_403_blocks() {
    assert_eq!(one(&answer(401, ""), &MULTIPART).0, Effect::CredentialsRefused);
    assert_eq!(one(&answer(403, ""), &MULTIPART).0, Effect::Forbidden);
}

#[test]
fn r28_cooldown_changes_no_row() {
    let seconds = |n| Duration::from_secs(n);
    for (result, reason, wait) in [
        (with(429, &[("x-rate-limit-reason", "fair_use"), ("retry-after", "60")], ""), Reason::FairUse, seconds(60)),
        (answer(429, r#"{"code":"fair_use_restricted"}"#), Reason::FairUse, seconds(1800)),
        (answer(429, r#"{"code":"staged_bytes_exceeded"}"#), Reason::RateLimit, seconds(1800)),
        (answer(429, "slow down"), Reason::RateLimit, seconds(1800)),
        (with(503, &[("X-Rate-Limit-Reason", "backend_busy")], ""), Reason::BackendBusy, seconds(600)),
        (answer(503, r#"{"code":"backend_busy"}"#), Reason::BackendBusy, seconds(600)),
    ] {
        let judged = judge(&result, &[chunk(1)], &MULTIPART);
        assert_eq!(judged, Judgement { effect: Effect::Cooldown { reason, wait }, rows: vec![] }, "{result:?}");
    }
}

#[test]
fn r20_batch_that_fails_twice_is_split() {
    let mut batch: Vec<_> = (1..=4).map(chunk).collect();
    for limit in [None, Some(2)] {
        let judged = judge(&answer(500, ""), &batch, &MULTIPART);
        assert!(judged.rows.iter().all(|(_, row)| row.batch_limit == limit), "{judged:?}");
        batch.iter_mut().zip(judged.rows).for_each(|(chunk, (_, row))| chunk.transfer = row);
    }
}

#[test]
fn trouble_lasts_as_long_as_the_server_asks() {
    let result = with(503, &[("retry-after", "30")], r#"{"code":"clock_not_set"}"#);
    assert_eq!(one(&result, &MULTIPART).0, Effect::Trouble { asked: Some(Duration::from_secs(30)) });
    assert_eq!(one(&answer(500, ""), &MULTIPART).0, Effect::Trouble { asked: None });
}
