//! Bodies with an ambiguous end, and bodies without an end.

use tests::recordings::T0;
use tests::{Recording, Reply};

use super::{Target, good_form};

/// A request that an attacker hides behind a body, for a server that ends the body too early.
const HIDDEN: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// At most one answer came and the connection is closed: the hidden bytes were not treated as a request.
#[track_caller]
fn assert_nothing_smuggled(reply: &Reply) {
    assert!(reply.answers() <= 1 && !reply.text.contains("\"version\""), "{}", reply.text);
}

#[tokio::test]
async fn two_different_content_lengths_are_refused() {
    let target = Target::start().await;
    let body = good_form(&Recording::short(T0));
    for (one, other) in [(body.len(), 5), (5, body.len()), (body.len(), body.len() + 1), (0, body.len())] {
        let head = target.head(&format!("content-length: {one}\r\ncontent-length: {other}\r\n"));
        let reply = target.send_and_read_to_end([head.as_bytes(), &body, HIDDEN.as_bytes()].concat()).await;
        reply.assert_bare_status(400);
    }
    let list = target.head(&format!("content-length: {}, 5\r\n", body.len()));
    target.send_and_read_to_end([list.as_bytes(), &body].concat()).await.assert_bare_status(400);
    target.assert_unchanged().await;
}

/// RFC 9110, 8.6: a proxy may have doubled the field, and there is only one way to read it.
#[tokio::test]
async fn two_equal_content_lengths_are_accepted_as_one() {
    let target = Target::start().await;
    let body = b"--b--\r\n";
    let head = target.head("content-length: 7\r\ncontent-length: 7\r\nconnection: close\r\n");
    let reply = target.send_and_read_to_end([head.as_bytes(), body].concat()).await;
    reply.problem(400, "empty_batch");
    target.assert_unchanged().await;
}

#[tokio::test]
async fn content_length_that_is_no_number_is_refused() {
    let target = Target::start().await;
    for length in ["-1", "+5", "0x10", "1e3", "5 5", "", "99999999999999999999999", "\u{0661}"] {
        let head = target.head(&format!("content-length: {length}\r\n"));
        target.send_and_read_to_end([head.as_bytes(), HIDDEN.as_bytes()].concat()).await.assert_bare_status(400);
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn content_length_beside_chunked_encoding_smuggles_nothing() {
    let target = Target::start().await;
    for fields in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\ncontent-length: 5\r\n",
    ] {
        let head = target.head(fields);
        let reply = target.send_and_read_to_end(format!("{head}0\r\n\r\n{HIDDEN}")).await;
        assert_nothing_smuggled(&reply);
        reply.problem(400, "malformed_multipart");
        assert_eq!(reply.header("connection"), Some("close"), "{fields}");
        // Nor is anything smuggled behind an answer that would keep the connection open.
        let reply = target
            .send_and_read_to_end(format!("GET /readyz HTTP/1.1\r\nhost: x\r\n{fields}\r\n0\r\n\r\n{HIDDEN}"))
            .await;
        assert_eq!(reply.status(), 200, "{}", reply.text);
        assert_nothing_smuggled(&reply);
    }
    target.assert_unchanged().await;
}

#[tokio::test]
async fn malicious_transfer_encodings_are_refused() {
    let target = Target::start().await;
    for fields in [
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: chunked, gzip\r\n",
        "transfer-encoding: identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding : chunked\r\n",
    ] {
        let head = target.head(fields);
        let reply = target.send_and_read_to_end(format!("{head}0\r\n\r\n{HIDDEN}")).await;
        reply.assert_bare_status(400);
    }
    let old = target.head("transfer-encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0");
    let reply = target.send_and_read_to_end(format!("{old}0\r\n\r\n{HIDDEN}")).await;
    assert!(reply.text.starts_with("HTTP/1.0 400") || reply.status() == 400, "{}", reply.text);
    target.assert_unchanged().await;
}

/// The chunks of a valid upload without the last one.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut chunks = Vec::new();
    for piece in body.chunks(1000) {
        chunks.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        chunks.extend([piece, b"\r\n"].concat());
    }
    chunks
}

#[tokio::test]
async fn upload_without_a_last_chunk_is_not_accepted() {
    let target = Target::start().await;
    let head = target.head("transfer-encoding: chunked\r\n");
    let mut body = good_form(&Recording::short(T0));
    body.truncate(body.len() - b"--b--\r\n".len());
    let mut wire = target.dial([head.as_bytes(), &chunked(&body)].concat()).await;
    wire.half_close().await;
    let reply = wire.read_to_end().await;
    assert!(matches!(reply.status(), 0 | 400), "{}", reply.text);
    target.assert_unchanged().await;
}

#[tokio::test]
async fn invalid_chunk_sizes_are_refused() {
    let target = Target::start().await;
    let head = target.head("transfer-encoding: chunked\r\n");
    let long = format!("5;{}\r\n--b--\r\n", "x".repeat(100_000));
    let sizes = [
        "zz\r\n--b--\r\n",
        "-5\r\n--b--\r\n",
        "0x5\r\n--b--\r\n",
        "FFFFFFFFFFFFFFFFF\r\n--b--\r\n",
        "\r\n--b--\r\n",
        "5 5\r\n--b--",
        "3\r\n--b--\r\n",
        &long,
    ];
    for size in sizes {
        let mut wire = target.dial(format!("{head}{size}0\r\n\r\n{HIDDEN}")).await;
        let reply = wire.read_to_end().await;
        assert_nothing_smuggled(&reply);
        reply.problem(400, "malformed_multipart");
        assert_eq!(reply.header("connection"), Some("close"), "{size:.20}");
    }
    target.assert_unchanged().await;
}

/// Endless trailers and endless chunk extensions are read only up to a limit.
#[tokio::test]
async fn endless_trailers_are_cut() {
    let target = Target::start().await;
    let head = target.head("transfer-encoding: chunked\r\n");
    let trailers = (0..20_000).map(|at| format!("x-trailer-{at}: {}\r\n", "x".repeat(50))).collect::<String>();
    let mut wire = target.dial(format!("{head}7\r\n--b--\r\n\r\n0\r\n")).await;
    wire.write(trailers.as_bytes()).await;
    let reply = wire.read_to_end().await;
    assert!(matches!(reply.status(), 0 | 400), "{}", reply.text);
    target.assert_unchanged().await;
}

#[tokio::test]
async fn more_bytes_than_announced_are_not_part_of_the_upload() {
    let target = Target::start().await;
    let body = good_form(&Recording::short(T0));
    // The body is cut at the announced length: the form has no end.
    let head = target.head(&format!("content-length: {}\r\n", body.len() - 100));
    let reply = target.send_and_read_to_end([head.as_bytes(), &body].concat()).await;
    reply.problem(400, "malformed_multipart");
    assert!(reply.text.contains("}HTTP/1.1 400"), "the rest is a request of its own, and none: {}", reply.text);
    // Bytes that follow a complete form are cut as well.
    let head = target.head("content-length: 7\r\n");
    let reply =
        target.send_and_read_to_end([head.as_bytes(), b"--b--\r\n", &[b'x'; 5000][..], b"\r\n\r\n"].concat()).await;
    reply.problem(400, "empty_batch");
    assert_eq!(reply.answers(), 2, "{}", reply.text);
    assert!(reply.text.contains("}HTTP/1.1 400"), "{}", reply.text);
    target.assert_unchanged().await;
}
