//! What holds for every request and every answer, whatever the handler does.

use axum::extract::{Multipart, Query};
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::Value;
use tokio::sync::Notify;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use super::*;
use crate::testing::{Lines, Site, TIMEOUT};

fn pages() -> Router {
    Router::new()
        .route(
            "/context",
            get(|context: RequestContext| async move { format!("{} {}", context.request_id, context.traceparent) }),
        )
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("secret of the house")
                }
            }),
        )
        .route("/store/{id}", get(|| async { Err::<(), _>(Problem::from(lost())) }))
        .route("/bare", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/own", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, axum::Json("as I like it")) }))
        .route("/axum", get(|_: Query<Vec<(u8, u8)>>| async {}))
        .route("/multipart", post(|_: Multipart| async {}))
        .route("/slow", get(|| async { std::future::pending::<()>().await }))
}

fn lost() -> flow::Error {
    flow::Error::new(flow::Kind::Unavailable, "store.claim", "db-7.internal")
}

/// Captures the log lines of this thread. All of the test runs on it: `tokio::test` uses one thread.
fn capture_logs() -> (Lines, DefaultGuard) {
    let lines = Lines::default();
    let subscriber = fmt().with_env_filter(EnvFilter::new("edge=debug")).with_ansi(false).with_writer(lines.clone());
    (lines, tracing::subscriber::set_default(subscriber.finish()))
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_a_valid_one_of_the_client_is_kept() {
    let site = Site::start(pages()).await;
    for path in ["/context", "/nowhere", "/panic", "/store/1", "/bare"] {
        assert_eq!(site.get(path).await.headers()["x-request-id"].len(), 36, "{path}");
    }
    let long = "x".repeat(65);
    for (given, kept) in [("a.B-3_x", true), ("a b", false), ("a;b", false), (&long, false), (&long[1..], true)] {
        let answer = site.client.get(site.url("/nowhere")).header("x-request-id", given).send().await.unwrap();
        assert_eq!(answer.headers()["x-request-id"] == given, kept, "{given}");
        let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(answer.json::<Value>().await.unwrap()["request_id"], id);
    }
}

#[tokio::test]
async fn trace_of_the_client_is_continued() {
    let site = Site::start(pages()).await;
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    let answer = site.client.get(site.url("/context")).header("traceparent", given).send().await.unwrap();
    let seen = answer.text().await.unwrap();
    assert!(seen.contains(" 00-4bf92f3577b34da6a3ce929d0e0e4736-") && seen.ends_with("-00"), "{seen}");
    assert!(!seen.contains("00f067aa0ba902b7"), "{seen}");
}

#[tokio::test]
async fn every_error_is_answered_as_a_problem() {
    let site = Site::start(pages()).await;
    for (path, status, code) in [
        ("/nowhere?token=x", 404, "not_found"),
        ("/panic", 500, "internal_error"),
        ("/bare", 500, "internal_error"),
        ("/store/1", 503, "storage_unavailable"),
        ("/axum?x", 400, "invalid_parameter"),
    ] {
        let answer = site.get(path).await;
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        let length = answer.headers()["content-length"].to_str().unwrap().parse::<usize>().unwrap();
        let text = answer.text().await.unwrap();
        assert_eq!(length, text.len());
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()), "{path}");
        assert_eq!(body["instance"], path.split('?').next().unwrap());
        assert!(!text.contains("secret of the house") && !text.contains("db-7") && !text.contains("token"), "{text}");
    }
    let answer = site.client.post(site.url("/multipart")).body("x").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(site.get("/own").await.text().await.unwrap(), "\"as I like it\"");
}

#[tokio::test]
async fn wrong_method_is_answered_with_the_allowed_ones() {
    let site = Site::start(pages()).await;
    let answer = site.client.delete(site.url("/context")).send().await.unwrap();
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()["allow"], "GET,HEAD");
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "method_not_allowed");
    let answer = site.client.head(site.url("/nowhere")).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().len()), (404, 0));
}

#[tokio::test]
async fn uri_and_headers_above_their_limits_are_refused() {
    let site = Site::start(pages()).await;
    let code = |answer: reqwest::Response| async { answer.json::<Value>().await.unwrap()["code"].clone() };
    let path = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
    assert_eq!(code(site.get(&path(limits::MAX_URI_BYTES)).await).await, "not_found");
    assert_eq!(code(site.get(&path(limits::MAX_URI_BYTES + 1)).await).await, "uri_too_long");

    let long = site.client.get(site.url("/x")).header("x-long", "x".repeat(limits::MAX_HEADER_BYTES));
    assert_eq!(code(long.send().await.unwrap()).await, "headers_too_large");
    let many = (0..=limits::MAX_HEADERS).fold(site.client.get(site.url("/x")), |r, n| r.header(format!("x-{n}"), "x"));
    assert_eq!(code(many.send().await.unwrap()).await, "headers_too_large");
    // Beyond the limit of the parser itself the answer has no problem body, but there is one.
    let head = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
        "x".repeat(2 * limits::MAX_HEADER_BYTES + limits::READ_BUFFER_EXTRA)
    );
    let answer = site.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn each_request_is_logged_once_by_its_route_and_without_secrets() {
    let (lines, _listening) = capture_logs();
    let site = Site::start(pages()).await;
    let request = site.client.get(site.url("/store/hidden-id?key=hidden-key")).header("x-request-id", "id-7");
    request.bearer_auth("hidden-token").send().await.unwrap();
    let text = lines.text();
    assert!(!text.contains("hidden"), "{text}");
    let access: Vec<_> = text.lines().filter(|line| line.contains("INFO")).collect();
    assert_eq!(access.len(), 1, "{text}");
    for field in ["method=\"GET\"", "route=\"/store/{id}\"", "status=503", "duration_ms=", "request_id=\"id-7\""] {
        assert!(access[0].contains(field), "{field}: {}", access[0]);
    }
}

#[tokio::test]
async fn failure_is_logged_once_with_the_request_id_of_the_answer() {
    let (lines, _listening) = capture_logs();
    let site = Site::start(pages()).await;
    let answer = site.get("/store/1").await;
    let id = answer.headers()["x-request-id"].to_str().unwrap();
    let text = lines.text();
    let failures: Vec<_> = text.lines().filter(|line| line.contains("db-7.internal")).collect();
    assert_eq!(failures.len(), 1, "{text}");
    assert!(failures[0].contains(id) && failures[0].contains("WARN"), "{text}");
}

#[tokio::test]
async fn request_of_a_client_that_hangs_up_is_logged() {
    let (lines, _listening) = capture_logs();
    let site = Site::start(pages()).await;
    let gone = site.dial(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    // The next answer proves that the server has read the request before.
    site.get("/context").await;
    drop(gone);
    let seen = async {
        while !lines.text().contains("status=499") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::testing::TIMEOUT, seen).await.unwrap();
}

#[tokio::test]
async fn compressed_body_is_refused_on_every_route() {
    let site = Site::start(pages()).await;
    for encoding in ["gzip", "GZIP", "identity, br", ""] {
        let request = site.client.post(site.url("/multipart")).header("content-encoding", encoding).body("x");
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["accept-encoding"]),
            (415, &"identity".parse().unwrap())
        );
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], "unsupported_media_type", "{encoding}");
    }
    let plain = site.client.get(site.url("/context")).header("content-encoding", "identity").send().await.unwrap();
    assert_eq!(plain.status(), 200);
}

/// Notifies when it is dropped.
struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn handler_runs_to_completion_when_its_client_hangs_up() {
    let [began, go_on, ended, gone] = [(); 4].map(|()| Arc::new(Notify::new()));
    let (begin, wait, end, dropped) = (began.clone(), go_on.clone(), ended.clone(), gone.clone());
    let handler = move || async move {
        begin.notify_one();
        wait.notified().await;
        end.notify_one();
    };
    // The server drops a request when it sees that nobody waits for the answer.
    let around = move |request: Request, next: Next| {
        let gone = NotifyOnDrop(Arc::clone(&dropped));
        async move {
            let answer = next.run(request).await;
            drop(gone);
            answer
        }
    };
    let routes = Router::new().route("/slow", get(handler)).layer(middleware::from_fn(run_to_completion));
    let site = Site::start(routes.layer(middleware::from_fn(around))).await;
    let wire = site.dial(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    began.notified().await;
    drop(wire);
    tokio::time::timeout(TIMEOUT, gone.notified()).await.unwrap();
    go_on.notify_one();
    tokio::time::timeout(TIMEOUT, ended.notified()).await.unwrap();
}

#[tokio::test]
async fn panic_in_a_spawned_handler_is_answered_500() {
    let site = Site::start(pages().layer(middleware::from_fn(run_to_completion))).await;
    let answer = site.get("/panic").await;
    assert_eq!(answer.status(), 500);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "internal_error");
}

#[tokio::test]
async fn configured_limits_apply_to_the_router_and_the_parser() {
    let limits =
        RequestLimits { max_headers: 300, max_header_bytes: 200_000, max_uri_bytes: 60_000, max_json_bytes: 2 };
    let json = |crate::Json(value): crate::Json<serde_json::Value>| async move { value.to_string() };
    let router = Router::new().route("/json", axum::routing::post(json));
    let serve = crate::ServeLimits { requests: limits, ..crate::ServeLimits::default() };
    let site = Site::with_requests(None, router, serve, Requests { limits, ..Requests::default() }).await;
    let code = |answer: reqwest::Response| async { answer.json::<Value>().await.unwrap()["code"].clone() };
    let path = format!("/{}", "x".repeat(limits.max_uri_bytes - 1));
    let many = (0..280).fold(site.client.get(site.url(&path)), |r, n| r.header(format!("x-{n}"), "x".repeat(600)));
    assert_eq!(code(many.send().await.unwrap()).await, "not_found");
    let many = (0..=300).fold(site.client.get(site.url("/x")), |r, n| r.header(format!("x-{n}"), "x"));
    assert_eq!(code(many.send().await.unwrap()).await, "headers_too_large");
    assert_eq!(code(site.get(&format!("{path}x")).await).await, "uri_too_long");
    let post = async |body: &'static str| {
        let request = site.client.post(site.url("/json")).header("content-type", "application/json");
        request.body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!((post("{}").await, post("[1]").await), (200, 413));
}
