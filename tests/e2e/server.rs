//! Rules of the HTTP server: limits that an operator sets, web pages of other origins, simulated refusals.

use bytes::Bytes;
use reqwest::Method;
use tests::{Recording, Setup, recordings};

use crate::sessions::{hanging, offer, try_open};

const APP: &str = "https://app.example";

/// A preflight request, as a browser sends it; it is not an operation of the API document.
async fn ask_beforehand(url: &str) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.request(Method::OPTIONS, url).header("origin", APP);
    request.header("access-control-request-method", "POST").send().await.unwrap()
}

fn header_value<'a>(answer: &'a reqwest::Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn request_limits_can_be_configured() {
    let small = Setup::new().with("server.max_uri_bytes", 1024).with("server.max_json_bytes", 1024);
    let server = small.with("server.max_headers", 20).with("server.max_header_bytes", 4096).start().await;
    let client = server.client();
    client.get(&format!("/{}", "x".repeat(1024))).await.problem(414, "uri_too_long");
    let get = || client.request(Method::GET, "/healthz");
    let many = (0..20).fold(get(), |request, n| request.header(format!("x-{n}"), "x"));
    client.send(many).await.problem(431, "headers_too_large");
    client.send(get().header("x-long", "x".repeat(4096))).await.problem(431, "headers_too_large");
    let body = serde_json::json!({"push_token": "x".repeat(1024), "platform": "web"});
    let long = client.request(Method::PUT, "/v2/devices/phone").json(&body);
    client.send(long).await.problem(413, "request_too_large");
    assert_eq!(client.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn stalled_body_is_given_up_at_the_configured_timeout() {
    let server = Setup::new().with("server.body_silence_seconds", 1).start().await;
    let client = server.client();
    let silent = client.request(Method::POST, "/v2/sync/upload").body(hanging(Bytes::from_static(b"--b\r\n")));
    let silent = silent.header("content-type", "multipart/form-data; boundary=b");
    client.send(silent).await.problem(408, "request_timeout");
}

#[tokio::test]
async fn pages_of_configured_origins_may_use_the_api() {
    let server = Setup::new().with("server.cors_origins", format!("{APP},http://localhost:3000")).start().await;
    let client = server.client_without_token();
    let asked = ask_beforehand(&format!("{}/v2/sync/upload", server.url)).await;
    assert_eq!((asked.status().as_u16(), header_value(&asked, "access-control-allow-origin")), (204, APP));
    let refused = client.send(client.request(Method::GET, "/v2/sync/jobs").header("origin", APP)).await;
    refused.problem(401, "unauthenticated");
    assert_eq!(refused.header("access-control-allow-origin"), APP);
    assert!(refused.header("access-control-expose-headers").contains("X-Request-Id"));
    let other = client.send(client.request(Method::GET, "/healthz").header("origin", "https://evil.example")).await;
    assert_eq!(other.header("access-control-allow-origin"), "");

    let internal = ask_beforehand(&format!("{}/v2/sync/process", server.internal_url)).await;
    assert_eq!((header_value(&internal, "access-control-allow-origin"), header_value(&internal, "vary")), ("", ""));
    for odd in ["https://app.example/", "app.example", "*,https://app.example"] {
        let line = Setup::new().with("server.cors_origins", odd).refused().await;
        assert!(line.contains("server.cors_origins"), "{line}");
    }
}

#[tokio::test]
async fn no_page_may_use_the_api_without_configured_origins() {
    let server = Setup::new().start().await;
    let client = server.client_without_token();
    let asked = client.send(client.request(Method::GET, "/healthz").header("origin", APP)).await;
    assert_eq!((asked.header("access-control-allow-origin"), asked.header("vary")), ("", ""));
}

#[tokio::test]
async fn every_refusal_can_be_simulated() {
    for (refuse, status, code, reason, shipped) in [
        ("fair_use", 429, "fair_use_restricted", "fair_use", "fair_use"),
        ("rate_limit", 429, "rate_limited", "rate_limit", ""),
        ("backend_busy", 503, "backend_busy", "backend_busy", "backfill_capacity"),
    ] {
        let setup = Setup::new().with("simulate.refuse", refuse).with("simulate.retry_after_seconds", 77);
        let server = setup.start().await;
        let client = server.client();
        let file = Recording::short(recordings::T0);
        let mut answers = vec![try_open(&client, &[offer(&file)]).await];
        for path in ["/v2/sync/upload", "/v2/sync-local-files", "/v1/sync-local-files"] {
            answers.push(client.post(path, std::slice::from_ref(&file)).await);
        }
        for answer in answers {
            assert_eq!(answer.problem(status, code)["retry_after"], 77);
            assert_eq!(answer.header("x-rate-limit-reason"), reason);
            assert_eq!(answer.header("x-omi-rate-limit-reason"), shipped, "{refuse}");
        }
        client.assert_empty().await;
    }
}

#[tokio::test]
async fn simulated_refusal_is_shown_at_start_and_requires_loopback() {
    let setup = Setup::new().with("simulate.refuse", "rate_limit");
    let (_running, greeting) = setup.start_for_people("Logs go to standard error").await;
    let shown = greeting.iter().filter(|line| line.contains("simulate.refuse")).collect::<Vec<_>>();
    assert!(shown.len() == 1 && shown[0].contains("`rate_limited`"), "{greeting:#?}");
    let data_dir = Setup::new().data_dir().display().to_string();
    let open = ["serve", "--listen", "0.0.0.0:0", "--data-dir", &data_dir];
    let output = setup.run(&open).await;
    assert!(output.refused().contains("simulate.refuse") && output.refused().contains("loopback"), "{output:?}");
    assert!(Setup::new().with("simulate.refuse", "maybe").refused().await.contains("simulate.refuse"));
}
