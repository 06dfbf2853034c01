//! While the clock is not set, nothing is accepted and nothing is written, and reads go on. When it is set, so does all else.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use flow::clock_guard::ClockGuard;
use flow::instance::Instance;
use reqwest::Method;
use testkit::build::T0;
use tests::Recording;

use crate::harness::Stage;
use crate::upload_server::UploadServer;

const DAY: Duration = Duration::from_secs(86_400);
const UPLOADS: [&str; 3] = ["/v2/sync/upload", "/v2/sync-local-files", "/v1/sync-local-files"];
/// Every other route that writes.
const WRITES: [(Method, &str); 8] = [
    (Method::POST, "/v2/sync/uploads"),
    (Method::POST, "/v2/sync/uploads/11111111-1111-4111-8111-111111111111/complete"),
    (Method::DELETE, "/v2/sync/jobs/11111111-1111-4111-8111-111111111111"),
    (Method::POST, "/v2/sync/jobs/11111111-1111-4111-8111-111111111111/retry"),
    (Method::PUT, "/v2/devices/phone"),
    (Method::DELETE, "/v2/devices/phone"),
    (Method::DELETE, "/v2/conversations/11111111-1111-4111-8111-111111111111"),
    (Method::DELETE, "/v2/conversations/22222222-2222-4222-8222-222222222222"),
];
const READS: [&str; 1] = ["/openapi.json"];
/// A valid token may seem to be issued in the future, so that none is answered 401.
const READS_WITH_TOKEN: [&str; 3] = ["/v2/sync/jobs", "/v2/conversations", "/v2/limits"];

fn server(built_at: Timestamp, newest_change: Option<Timestamp>) -> UploadServer {
    let mut stage = Stage::new();
    stage.services.instance = Arc::new(Instance::with_clock_guard(ClockGuard::new(built_at, newest_change)));
    UploadServer::of(stage)
}

fn recording() -> [Recording; 1] {
    [Recording::short(T0.millis() / 1000 - 3600)]
}

async fn assert_every_write_is_refused(server: &UploadServer) {
    for client in [server.client.clone(), server.client.with_token("")] {
        for route in UPLOADS {
            let answer = client.post(route, &recording()).await;
            assert_eq!(answer.problem(503, "clock_not_set")["retry_after"], 30, "{route}");
        }
        for (method, route) in WRITES {
            let answer = client.send(client.request(method, route).json(&serde_json::json!({}))).await;
            assert_eq!(answer.problem(503, "clock_not_set")["retry_after"], 30, "{route}");
        }
    }
    for route in READS {
        assert_eq!(server.client.get(route).await.status, 200, "{route}");
    }
    for route in READS_WITH_TOKEN {
        assert_eq!(server.client.get(route).await.status, 200, "{route}");
        let answer = server.client.with_token("").get(route).await;
        assert_eq!(answer.problem(503, "clock_not_set")["retry_after"], 30, "{route}");
    }
    assert_eq!(server.stage.store.all_jobs(), []);
    assert_eq!(server.stage.blobs.names(), []);
}

#[tokio::test]
async fn clock_before_the_build_refuses_every_write_until_it_is_set() {
    let server = server(T0, None);
    for now in [Timestamp::from_secs(0), T0 - DAY, T0 - Duration::from_millis(1)] {
        server.stage.clock.set(now);
        assert_every_write_is_refused(&server).await;
    }
    server.stage.clock.set(T0);
    assert_eq!(server.client.upload(&recording()).await.status, 202);
    assert_eq!(server.stage.store.all_jobs().len(), 1);
    server.client.with_token("").get("/v2/sync/jobs").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn clock_a_minute_before_the_newest_change_counts_as_set_and_an_earlier_one_does_not() {
    for (past, is_set) in [(-1, false), (0, true), (1, true)] {
        let server = server(T0 - DAY, Some(T0 + DAY));
        let minute_before = T0 + DAY - Duration::from_secs(60);
        server.stage.clock.set(Timestamp::from_millis(minute_before.millis() + past));
        if is_set {
            assert_eq!(server.client.upload(&recording()).await.status, 202, "{past} ms");
        } else {
            assert_every_write_is_refused(&server).await;
        }
    }
}

#[tokio::test]
async fn clock_that_is_set_back_at_run_time_refuses_writes_again() {
    let server = server(T0, None);
    assert_eq!(server.client.upload(&recording()).await.status, 202);
    server.stage.clock.set(Timestamp::from_secs(0));
    server.client.upload(&recording()).await.problem(503, "clock_not_set");
}

#[tokio::test]
async fn waiting_for_the_clock_ends_when_it_is_set_and_tells_since_when() {
    let stage = server(T0 + Duration::from_secs(3), None).stage;
    let services = stage.services.clone();
    let waiting = tokio::spawn(async move { services.until_clock_is_set().await });
    while !waiting.is_finished() {
        assert!(stage.clock_now() < T0 + Duration::from_secs(10), "it waits for ever");
        stage.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let since = waiting.await.unwrap();
    assert!(since >= T0 + Duration::from_secs(3), "{since}");
    stage.clock.advance(DAY);
    assert_eq!(stage.services.until_clock_is_set().await, since, "it is told the same ever after");
}
