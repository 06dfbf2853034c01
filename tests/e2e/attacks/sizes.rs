//! Requests that are too many or too large: parts, headers, URLs, parameters.

use tests::recordings::T0;
use tests::recordings::name;

use super::Target;

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";

#[tokio::test]
async fn ten_thousand_files_are_refused_at_the_first_file_above_the_limit() {
    let target = Target::start().await;
    let part = |at: i64| {
        format!("--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{}\"\r\n\r\nabc\r\n", name(T0 + at))
    };
    let body = (0..10_000).map(part).collect::<String>() + "--b--\r\n";
    target.raw(target.upload(body.as_bytes())).await.problem(413, "too_many_files");
    target.assert_unchanged().await;
}

#[tokio::test]
async fn ten_thousand_other_parts_are_refused() {
    let target = Target::start().await;
    let other = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n\r\n".repeat(10_000) + "--b--\r\n";
    target.raw(target.upload(other.as_bytes())).await.problem(400, "malformed_multipart");
    let nameless = "--b\r\n\r\n\r\n".repeat(10_000) + "--b--\r\n";
    target.raw(target.upload(nameless.as_bytes())).await.problem(400, "malformed_multipart");
    let large =
        format!("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n{}\r\n--b--\r\n", "x".repeat(1 << 20));
    let reply = target.raw(target.upload(large.as_bytes())).await;
    let problem = reply.problem(400, "malformed_multipart");
    assert_eq!(
        problem["detail"],
        "The part `x` has more than 65536 bytes. Recordings are read from parts named `files`."
    );
    target.assert_unchanged().await;
}

#[tokio::test]
async fn ten_thousand_headers_of_a_part_are_refused() {
    let target = Target::start().await;
    let headers = (0..10_000).map(|at| format!("x-{at}: y\r\n")).collect::<String>();
    let body = format!("--b\r\n{headers}\r\nabc\r\n--b--\r\n");
    target.raw(target.upload(body.as_bytes())).await.problem(400, "malformed_multipart");
    target.assert_unchanged().await;
}

#[tokio::test]
async fn ten_thousand_headers_are_refused() {
    let target = Target::start().await;
    let headers = |many: usize| (0..many).map(|at| format!("x-{at}: y\r\n")).collect::<String>();
    target.raw(format!("{HEALTH}{}\r\n", headers(200))).await.problem(431, "headers_too_large");
    for many in [1000, 10_000] {
        target.send_and_read_to_end(format!("{HEALTH}{}\r\n", headers(many))).await.assert_bare_status(431);
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn a_header_of_a_mebibyte_is_refused() {
    let target = Target::start().await;
    target.raw(format!("{HEALTH}x-long: {}\r\n\r\n", "x".repeat(40_000))).await.problem(431, "headers_too_large");
    target
        .send_and_read_to_end(format!("{HEALTH}x-long: {}\r\n\r\n", "x".repeat(1 << 20)))
        .await
        .assert_bare_status(431);
    // Neither the header's name nor its end ever arrives.
    target.send_and_read_to_end(format!("{HEALTH}{}", "x".repeat(1 << 20))).await.assert_bare_status(431);
    target.assert_unchanged().await;
}

#[tokio::test]
async fn url_of_a_hundred_kilobytes_is_refused() {
    let target = Target::start().await;
    let get = |path: String| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    target.raw(get(format!("/{}", "x".repeat(10_000)))).await.problem(414, "uri_too_long");
    let reply = target.send_and_read_to_end(get(format!("/{}", "x".repeat(100_000)))).await;
    assert!(matches!(reply.status(), 414 | 431), "{}", reply.text);
    let reply = target.send_and_read_to_end(format!("{} / HTTP/1.1\r\n\r\n", "G".repeat(100_000))).await;
    assert!(matches!(reply.status(), 400 | 431), "{}", reply.text);
    target.assert_unchanged().await;
}

/// As many parameters as fit into a URL: each is examined only once.
#[tokio::test]
async fn number_of_parameters_is_bounded_by_the_url_length() {
    let target = Target::start().await;
    let client = target.server.client();
    let many = |what: &str, times: usize| what.repeat(times);
    client.get(&format!("/v2/sync/jobs?{}", many("status=failed&", 500))).await.ok();
    client.get(&format!("/v2/sync/jobs?{}", many("a&", 3500))).await.ok();
    client.get(&format!("/v2/conversations?ids={}", many(",", 8000))).await.ok();
    let huge = format!("/v2/conversations?ids={}", many(&format!("{},", "f".repeat(70)), 100));
    client.get(&huge).await.problem(400, "invalid_parameter");
    let ids: String = (0..200).map(|at| format!("11111111-1111-4111-8111-{at:012},")).collect();
    client.get(&format!("/v2/conversations?ids={ids}")).await.problem(400, "invalid_parameter");
    for limit in ["18446744073709551615", "18446744073709551616", "-9223372036854775808", "1e2", "٣"] {
        client.get(&format!("/v2/sync/jobs?limit={limit}")).await.problem(400, "invalid_parameter");
        client.get(&format!("/v2/conversations?limit={limit}")).await.problem(400, "invalid_parameter");
    }
    for time in ["9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z"] {
        client.get(&format!("/v2/usage?to={time}")).await.ok();
        client.get(&format!("/v2/usage?from={time}")).await.ok();
        client.get(&format!("/v2/conversations?from={time}&to={time}")).await.ok();
    }
    client.get("/v2/usage?from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z").await.ok();
    target.assert_unchanged().await;
}
