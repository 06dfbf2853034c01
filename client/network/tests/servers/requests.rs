//! What is sent, and what comes back.

use std::io;

use bytes::Bytes;
use engine::ports::{Body, BodySource, HttpError, Method, Request};

use crate::server::Server;
use crate::{answer, failure, get, network, post};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-Id: 7\r\n\r\n{}";

/// Pieces that are read one after the other; an error after them.
struct Pieces(Vec<io::Result<Bytes>>);

impl BodySource for Pieces {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.0.is_empty() { Ok(None) } else { self.0.remove(0).map(Some) }
    }
}

fn pieces(length: u64, pieces: Vec<io::Result<Bytes>>) -> Body {
    Body { length, source: Box::new(Pieces(pieces)) }
}

#[tokio::test]
async fn answer_has_status_headers_and_body_and_connections_are_kept() {
    let server = Server::answering(OK).await;
    let network = network();
    for _ in 0..3 {
        let answer = answer(&network, get(&server.url())).await;
        assert_eq!(
            (answer.status, answer.body.as_slice(), answer.header("x-request-id")),
            (200, &b"{}"[..], Some("7"))
        );
    }
    assert_eq!(server.connections(), 1, "one connection is used for all");
    let seen = server.requests();
    assert!(seen[0].starts_with("GET /v2/limits HTTP/1.1\r\n") && seen[0].contains("authorization: Bearer secret"));
}

#[tokio::test]
async fn body_is_sent_in_pieces_with_its_length() {
    let server = Server::answering(OK).await;
    let body = pieces(6, vec![Ok(Bytes::from_static(b"abc")), Ok(Bytes::from_static(b"def"))]);
    let request = Request { method: Method::Put, ..post(&server.url(), body) };
    assert_eq!(answer(&network(), request).await.status, 200);
    let seen = server.requests().remove(0);
    assert!(seen.starts_with("PUT ") && seen.contains("content-length: 6\r\n") && seen.ends_with("\r\n\r\nabcdef"));
    assert_eq!(answer(&network(), post(&server.url(), Body::empty())).await.status, 200);
    assert!(server.requests()[1].contains("content-length: 0\r\n"), "{:?}", server.requests());
}

#[tokio::test]
async fn file_that_cannot_be_read_or_changed_its_size_is_the_reason() {
    let server = Server::answering(OK).await;
    let unreadable = pieces(6, vec![Ok(Bytes::from_static(b"abc")), Err(io::ErrorKind::PermissionDenied.into())]);
    let shrunk = pieces(6, vec![Ok(Bytes::from_static(b"abc"))]);
    let grown = pieces(2, vec![Ok(Bytes::from_static(b"abc"))]);
    for (body, kind) in [
        (unreadable, io::ErrorKind::PermissionDenied),
        (shrunk, io::ErrorKind::UnexpectedEof),
        (grown, io::ErrorKind::UnexpectedEof),
    ] {
        match failure(&network(), post(&server.url(), body)).await {
            HttpError::Source(error) => assert_eq!(error.kind(), kind),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(server.requests(), [] as [String; 0], "no request arrived whole");
}

#[tokio::test]
async fn errors_and_debug_output_contain_no_address_and_no_token() {
    let request = get("http://127.0.0.1:1/parts/capability");
    assert!(!format!("{request:?}").contains("capability"));
    let error = failure(&network(), request).await;
    assert!(!format!("{error} {error:?}").contains("capability"), "{error:?}");
    let error = failure(&network(), get("not a url/capability")).await;
    assert!(!format!("{error} {error:?}").contains("capability"), "{error:?}");
    let mut request = get("http://127.0.0.1:1/");
    request.headers.push(("x-odd", "secret\nsecond line".to_owned()));
    let error = failure(&network(), request).await;
    assert!(error.to_string().contains("x-odd") && !error.to_string().contains("secret"), "{error}");
}
