//! The upload's errors that an admission policy decides, over real HTTP: the policy refuses, and nothing is stored.

use std::sync::Arc;
use std::time::Duration;

use domain::Code;
use testkit::admission::Refusing;
use tests::older_client::State;
use tests::recordings::T0;
use tests::{OlderClient, Recording};

use crate::harness::Stage;
use crate::upload_server::UploadServer;

fn refusing(refusing: Refusing) -> UploadServer {
    let mut stage = Stage::new();
    stage.services.admission = Arc::new(refusing);
    UploadServer::of(stage)
}

fn assert_nothing_stored(server: &UploadServer) {
    assert_eq!(server.stage.store.all_jobs(), []);
    assert_eq!(server.stage.blobs.names(), []);
}

#[tokio::test]
async fn each_policy_refusal_has_its_status_reason_and_retry_after() {
    for (code, status, reason, shipped) in [
        (Code::FairUseRestricted, 429, "fair_use", "fair_use"),
        (Code::RateLimited, 429, "rate_limit", ""),
        (Code::BackendBusy, 503, "backend_busy", "backfill_capacity"),
    ] {
        let server = refusing(Refusing::always(code, Duration::from_millis(1500)));
        for route in ["/v2/sync/upload", "/v2/sync-local-files", "/v1/sync-local-files"] {
            let answer = server.client.post(route, &[Recording::short(T0)]).await;
            assert_eq!(answer.problem(status, code.as_str())["retry_after"], 2, "whole seconds, rounded up");
            assert_eq!(answer.header("x-rate-limit-reason"), reason);
            assert_eq!(answer.header("x-omi-rate-limit-reason"), shipped);
        }
        assert_nothing_stored(&server);
    }
}

#[tokio::test]
async fn refused_user_is_admitted_later() {
    let server = refusing(Refusing::once(Code::BackendBusy, Duration::from_secs(1)));
    let files = [Recording::short(T0)];
    server.client.upload(&files).await.problem(503, "backend_busy");
    assert_nothing_stored(&server);
    assert_eq!(server.client.upload(&files).await.status, 202);
    assert_eq!(server.stage.store.all_jobs().len(), 1);
}

/// A refusal by policy is sent before the body is read, and a missing token is refused before the policy is asked.
#[tokio::test]
async fn policy_is_asked_after_the_token_check_and_before_the_body() {
    let server = refusing(Refusing::always(Code::RateLimited, Duration::from_secs(1)));
    let stranger = server.client.with_token("");
    stranger.upload(&[Recording::short(T0)]).await.problem(401, "unauthenticated");
    let endless = reqwest::Body::wrap_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let request = server.client.request(reqwest::Method::POST, "/v2/sync/upload");
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(endless);
    server.client.send(request).await.problem(429, "rate_limited");
    assert_nothing_stored(&server);
}

#[tokio::test]
async fn refused_shipped_client_keeps_its_files_uncounted_and_uploads_later() {
    for (code, paused, busy) in
        [(Code::FairUseRestricted, Some(90), 0), (Code::RateLimited, Some(90), 0), (Code::BackendBusy, None, 1)]
    {
        let server = refusing(Refusing::once(code, Duration::from_secs(90)));
        let mut older = OlderClient::new(server.client.clone(), &[Recording::short(T0)]);
        older.upload().await;
        assert_eq!((older.paused, older.busy), (paused, busy), "{code}");
        assert_eq!((older.states(), older.retries()), (vec![State::Kept], vec![0]), "{code}");
        assert_nothing_stored(&server);
        older.upload().await;
        assert!(older.paused.is_none() && older.files[0].job_id.is_some(), "{code}");
    }
}
