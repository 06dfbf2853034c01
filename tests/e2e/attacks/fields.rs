//! Duplicate header fields, and values that try to become header fields or log lines.

use reqwest::Method;
use tests::recordings::T0;
use tests::{Recording, Server};

use super::{Target, form, good_form};

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";

#[tokio::test]
async fn duplicate_authorization_headers_are_rejected() {
    let target = Target::start().await;
    let body = good_form(&Recording::short(T0));
    let length = format!("content-length: {}\r\n", body.len());
    for second in [format!("Bearer {}", target.server.token), "Bearer x".to_owned(), "Basic eDp5".to_owned()] {
        let head = target.head(&format!("Authorization: {second}\r\n{length}"));
        let reply = target.raw([head.as_bytes(), &body].concat()).await;
        reply.problem(401, "unauthenticated");
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn duplicate_content_types_are_refused() {
    let target = Target::start().await;
    let body = good_form(&Recording::short(T0));
    for second in ["multipart/form-data; boundary=b", "multipart/form-data; boundary=c", "application/json"] {
        let head = target.head(&format!("content-type: {second}\r\ncontent-length: {}\r\n", body.len()));
        target.raw([head.as_bytes(), &body].concat()).await.problem(415, "unsupported_media_type");
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn duplicate_dispositions_or_names_in_a_part_are_refused() {
    let target = Target::start().await;
    for twice in [
        "filename=\"a_1748300000.bin\"\r\nContent-Disposition: form-data; name=\"files\"; filename=\"b_1748300000.bin\"",
        "filename=\"a_1748300000.bin\"; filename=\"b_1748300000.bin\"",
        "filename=\"a_1748300000.bin\"; name=\"other\"",
        "filename*=UTF-8''a_1748300000.bin; FILENAME*=UTF-8''b_1748300000.bin",
    ] {
        target.raw(target.upload(&form(twice.as_bytes()))).await.problem(400, "malformed_multipart");
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn duplicate_times_or_digests_of_a_part_are_refused() {
    let target = Target::start().await;
    for header in ["X-Captured-At: 2025-05-26T22:53:20Z", "Content-Digest: md5=:AAAA:"] {
        let twice = format!("filename=\"a_1748300000.wav\"\r\n{header}\r\n{header}");
        target.raw(target.upload(&form(twice.as_bytes()))).await.problem(400, "invalid_parameter");
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn line_breaks_in_file_names_create_neither_headers_nor_log_lines() {
    let target = Target::start().await;
    let folded: [&[u8]; 4] = [
        b"filename=\"a\r\nX-Evil: 1\r\n_1748300000.bin\"",
        b"filename=\"a\nX-Evil: 1_1748300000.bin\"",
        b"filename=\"a\rX-Evil: 1_1748300000.bin\"",
        b"filename=\"a\r\n X-Evil: 1_1748300000.bin\"",
    ];
    for disposition in folded {
        let reply = target.raw(target.upload(&form(disposition))).await;
        reply.problem(400, "malformed_multipart");
        assert_eq!(reply.header("x-evil"), None);
    }
    let encoded = form(b"filename*=UTF-8''a%0D%0AX-Evil:%201%0D%0A%0D%0A%7B%22level%22:%22EVIL%22%7D_1748300000.bin");
    let reply = target.raw(target.upload(&encoded)).await;
    let body = reply.problem(400, "invalid_filename");
    assert!(
        body["errors"][0]["file"].as_str().unwrap().contains("\r\nX-Evil"),
        "the name is returned unchanged, escaped in JSON"
    );
    assert_eq!((reply.header("x-evil"), reply.answers()), (None, 1));
    assert_eq!(evil_lines(&target.server), 0);
    target.assert_unchanged().await;
}

fn evil_lines(server: &Server) -> usize {
    server.log.count(|line| line.field("level") == "EVIL")
}

#[tokio::test]
async fn line_breaks_in_parameters_and_paths_create_neither_headers_nor_log_lines() {
    let target = Target::start().await;
    let client = target.server.client();
    let evil = "en%0D%0AX-Evil:%201%0A%7B%22level%22:%22EVIL%22%7D";
    let answers = [
        (client.upload_to(&format!("?language={evil}"), &[Recording::short(T0)]).await, 400, "invalid_parameter"),
        (
            client.upload_to(&format!("?conversation_id={evil}"), &[Recording::short(T0)]).await,
            400,
            "invalid_parameter",
        ),
        (client.get(&format!("/v2/sync/jobs?status={evil}")).await, 400, "invalid_parameter"),
        (client.get(&format!("/v2/sync/jobs?limit={evil}")).await, 400, "invalid_parameter"),
        (client.get(&format!("/v2/sync/jobs?cursor={evil}")).await, 400, "invalid_cursor"),
        (client.get(&format!("/v2/usage?from={evil}")).await, 400, "invalid_parameter"),
        (client.get(&format!("/v2/sync/jobs/{evil}")).await, 404, "job_not_found"),
        (client.get(&format!("/v2/conversations/{evil}")).await, 404, "conversation_not_found"),
        (client.get(&format!("/v2/conversations?ids={evil}")).await, 400, "invalid_parameter"),
        (client.get(&format!("/errors/{evil}")).await, 404, "not_found"),
        (client.get(&format!("/{evil}")).await, 404, "not_found"),
        (client.send(client.request(Method::DELETE, &format!("/v2/devices/{evil}"))).await, 400, "invalid_parameter"),
    ];
    for (answer, status, code) in answers {
        answer.problem(status, code);
        assert_eq!(answer.header("x-evil"), "", "{}", answer.text);
    }
    assert_eq!(evil_lines(&target.server), 0);
    target.assert_unchanged().await;
}

#[tokio::test]
async fn malicious_request_ids_and_traces_are_not_adopted() {
    let target = Target::start().await;
    for id in ["a%0d%0aX-Evil: 1", "a b", "\"}", "../..", "<script>", &"x".repeat(65), "\u{1F600}", ""] {
        let reply = target.send_and_read_to_end(format!("{HEALTH}x-request-id: {id}\r\n\r\n")).await;
        let given = reply.header("x-request-id").unwrap();
        assert_eq!((reply.status(), given.len()), (200, 36), "a new id: {}", reply.text);
    }
    for trace in ["00-x", "00-\u{1F600}", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &"0".repeat(9000)]
    {
        let reply = target.send_and_read_to_end(format!("{HEALTH}traceparent: {trace}\r\n\r\n")).await;
        assert_eq!(reply.status(), 200, "{}", reply.text);
    }
    // A line break that is not a line end, a folded line, a field without a name: none of them is a valid request.
    for line in
        ["x-request-id: a\rX-Evil: 1\r\n", "x-request-id: a\r\n X-Evil: 1\r\n", ": 1\r\n", "x-request-id : a\r\n"]
    {
        let reply = target.send_and_read_to_end(format!("{HEALTH}{line}\r\n")).await;
        reply.assert_bare_status(400);
    }
    let nul = [HEALTH.as_bytes(), b"x-request-id: a\0b\r\n\r\n"].concat();
    target.send_and_read_to_end(nul).await.assert_bare_status(400);
    target.assert_unchanged().await;
}
