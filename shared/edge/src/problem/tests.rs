//! How a problem is written to the wire.

use http_body_util::BodyExt;

use super::*;

async fn body(problem: &Problem) -> Value {
    let bytes = problem.render(Some(("/v2/x", "id-1"))).into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn problem_body_has_every_member_of_the_contract() {
    let file = FileProblem::new("a.bin", Code::EmptyFile, "It has no bytes.");
    let problem = Problem::new(Code::EmptyFile, "One file is empty.").files(vec![file]).member("job_id", "j");
    assert_eq!(
        body(&problem).await,
        json!({
            "type": "/errors/empty_file", "title": "The file has no bytes", "status": 400,
            "detail": "One file is empty.", "instance": "/v2/x", "code": "empty_file", "request_id": "id-1",
            "job_id": "j", "errors": [{"file": "a.bin", "code": "empty_file", "detail": "It has no bytes."}],
        })
    );
}

#[tokio::test]
async fn retry_after_is_in_whole_seconds_and_at_least_one() {
    for (wait, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_500, 60)] {
        let problem = Problem::new(Code::RateLimited, "").after(Duration::from_millis(wait));
        assert_eq!(problem.render(None).headers()[RETRY_AFTER], seconds.to_string());
        assert_eq!(body(&problem).await["retry_after"], seconds);
    }
}

#[tokio::test]
async fn retry_after_is_at_most_a_day_and_under_fair_use_thirty_days() {
    let day = 86_400;
    for (code, longest) in
        [(Code::RecordingInFuture, day), (Code::RateLimited, day), (Code::FairUseRestricted, 30 * day)]
    {
        let millisecond = Duration::from_millis(1);
        let bound = Duration::from_secs(longest);
        for wait in [bound - millisecond, bound, bound + millisecond, Duration::MAX] {
            let problem = Problem::new(code, "").after(wait);
            assert_eq!(problem.render(None).headers()[RETRY_AFTER], longest.to_string(), "{code}: {wait:?}");
            assert_eq!(body(&problem).await["retry_after"], longest, "{code}: {wait:?}");
        }
        let problem = Problem::new(code, "").after(bound - Duration::from_secs(1));
        assert_eq!(problem.render(None).headers()[RETRY_AFTER], (longest - 1).to_string(), "{code}");
    }
}

#[test]
fn refusals_carry_the_reason_headers_of_shipped_clients() {
    for (code, reason, shipped) in [
        (Code::BackendBusy, Some("backend_busy"), Some("backfill_capacity")),
        (Code::FairUseRestricted, Some("fair_use"), Some("fair_use")),
        (Code::RateLimited, Some("rate_limit"), None),
        (Code::StorageUnavailable, None, None),
    ] {
        let response = Problem::new(code, "").into_response();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!((header(REASON), header(SHIPPED_REASON)), (reason, shipped), "{code}");
    }
}

#[tokio::test]
async fn code_can_be_replaced_by_the_name_for_shipped_clients() {
    let problem = Problem::new(Code::RecordingTooOld, "").known_as("backfill_lookback_exceeded");
    let body = body(&problem).await;
    assert_eq!((&body["code"], &body["status"]), (&json!("backfill_lookback_exceeded"), &json!(422)));
    assert_eq!(body["type"], "/errors/recording_too_old");
}

#[tokio::test]
async fn internal_text_is_not_shown_to_clients() {
    for kind in [
        Kind::Unavailable,
        Kind::Unknown,
        Kind::Throttled,
        Kind::NotFound,
        Kind::Conflict,
        Kind::Corrupt,
        Kind::Full,
        Kind::Misconfigured,
        Kind::Invalid,
    ] {
        let error = flow::Error::new(kind, "store.claim", "hidden-job").because("no such table: hidden");
        let problem = Problem::from(error);
        assert!(problem.cause().unwrap().contains("no such table"), "{kind:?}");
        let text = body(&problem).await.to_string();
        assert!(!text.contains("hidden") && !text.contains("store.claim"), "{kind:?}: {text}");
    }
}

#[test]
fn unavailable_store_is_503_with_retry_after() {
    for kind in [Kind::Unavailable, Kind::Unknown, Kind::Throttled, Kind::Full, Kind::Misconfigured] {
        let problem = Problem::from(flow::Error::new(kind, "store.claim", ""));
        assert_eq!((problem.code, problem.status().as_u16()), (Code::StorageUnavailable, 503));
        assert!(problem.retry_after.is_some());
    }
    let throttled = Problem::from(flow::Error::new(Kind::Throttled, "queue.enqueue", "").after(Duration::from_secs(7)));
    assert_eq!(throttled.retry_after, Some(Duration::from_secs(7)));
    for kind in [Kind::Conflict, Kind::Corrupt, Kind::Invalid] {
        assert_eq!(Problem::from(flow::Error::new(kind, "blobs.put", "")).code, Code::InternalError);
    }
    assert_eq!(Problem::from(flow::Error::new(Kind::NotFound, "blobs.read", "")).status().as_u16(), 404);
}

#[test]
fn code_of_a_job_is_answered_500_and_not_as_an_invalid_status() {
    assert_eq!(Problem::new(Code::InvalidAudio, "").status(), StatusCode::INTERNAL_SERVER_ERROR);
}
