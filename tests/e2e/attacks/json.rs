//! JSON that tries to break its parser.

use reqwest::Method;

use super::Target;

/// Deeper than the stack of a recursive parser allows.
const DEEP: usize = 30_000;

async fn put(target: &Target, body: impl Into<Vec<u8>>) -> tests::Answer {
    let client = target.server.client();
    let request = client.request(Method::PUT, "/v2/devices/phone").header("content-type", "application/json");
    client.send(request.body(body.into())).await
}

#[tokio::test]
async fn deeply_nested_json_is_refused_or_skipped() {
    let target = Target::start().await;
    let nested = |begin: &str, end: &str| begin.repeat(DEEP) + &end.repeat(DEEP);
    for body in [
        "[".repeat(DEEP),
        nested("[", "]"),
        format!("{{\"push_token\":{}}}", nested("[", "]")),
        format!("{{\"push_token\":\"x\",\"platform\":{}}}", nested("[", "]")),
        format!("{{\"push_token\":\"x\",\"x\":{}", "[".repeat(DEEP)),
    ] {
        put(&target, body).await.problem(400, "invalid_json");
    }
    // An unknown member is skipped without recursion.
    let unknown = format!("{{\"push_token\":\"x\",\"platform\":\"ios\",\"x\":{}}}", nested("[", "]"));
    assert_eq!(put(&target, unknown).await.status, 204);
    target.assert_unchanged().await;
}

#[tokio::test]
async fn json_of_the_wrong_type_is_refused() {
    let target = Target::start().await;
    for body in [
        "",
        "null",
        "1",
        "\"\"",
        "[]",
        "{}",
        "{",
        "NaN",
        "{\"push_token\":1e999999,\"platform\":\"ios\"}",
        "{\"push_token\":\"x\",\"platform\":99999999999999999999999999}",
        "{\"push_token\":null,\"platform\":\"ios\"}",
        "{\"push_token\":\"x\",\"platform\":{\"ios\":null,\"android\":null}}",
        "{\"push_token\":\"x\",\"platform\":\"ios\"} {}",
        "{\"push_token\":\"x\",\"platform\":\"ios\",}",
        "{\"push_token\":\"x\\ud800\",\"platform\":\"ios\"}",
        "\u{feff}{\"push_token\":\"x\",\"platform\":\"ios\"}",
    ] {
        put(&target, body).await.problem(400, "invalid_json");
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn huge_numbers_duplicate_keys_and_broken_text_are_refused() {
    let target = Target::start().await;
    let digits = format!("{{\"push_token\":{},\"platform\":\"ios\"}}", "9".repeat(60_000));
    put(&target, digits).await.problem(400, "invalid_json");
    for twice in [
        "{\"push_token\":\"x\",\"push_token\":\"y\",\"platform\":\"ios\"}",
        "{\"push_token\":\"x\",\"platform\":\"ios\",\"platform\":\"web\"}",
    ] {
        put(&target, twice).await.problem(400, "invalid_json");
    }
    for broken in [
        &b"{\"push_token\":\"\xff\",\"platform\":\"ios\"}"[..],
        b"{\"push_token\":\"\xc0\xae\",\"platform\":\"ios\"}",
        b"\xff\xfe{\0}\0",
    ] {
        put(&target, broken).await.problem(400, "invalid_json");
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn json_above_its_size_limit_is_refused_with_and_without_content_length() {
    let target = Target::start().await;
    put(&target, format!("{{\"push_token\":\"{}\"}}", "x".repeat(70_000))).await.problem(413, "request_too_large");
    let token = &target.server.token;
    let head = format!(
        "PUT /v2/devices/phone HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    );
    let announced = target.raw(format!("{head}content-length: 1000000000\r\n\r\n{{")).await;
    announced.problem(413, "request_too_large");
    let chunk = format!("10000\r\n{}\r\n", "[".repeat(0x10000));
    let endless = target.raw(format!("{head}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(8))).await;
    endless.problem(413, "request_too_large");
    target.assert_unchanged().await;
}

/// The routes for the queue: a malformed task is dropped, not retried for ever.
#[tokio::test]
async fn task_bodies_are_bounded_and_read_only_after_the_secret_was_checked() {
    let target = Target::start().await;
    let internal = tests::Client::internal(&target.server.internal_url, "");
    let bomb = "[".repeat(DEEP);
    for path in ["/v2/sync/process", "/v2/sync/sweep"] {
        let request = internal.request(Method::POST, path).body(bomb.clone());
        internal.send(request).await.problem(403, "forbidden");
        let public = target.server.client();
        public.send(public.request(Method::POST, path).body(bomb.clone())).await.problem(404, "not_found");
    }
    target.assert_unchanged().await;
}
