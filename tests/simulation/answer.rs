//! Sends a request of the device through a router.

use std::io;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::Request;
use engine::ports::Answer;
use futures_util::{StreamExt, stream};
use simulator::Incoming;
use tower::ServiceExt;

/// The bytes of a body come in pieces of this size.
const PIECE: usize = 64 * 1024;
const MAX_ANSWER: usize = 8 << 20;

/// The router's answer; `None` if the connection breaks before there is one.
pub async fn answer_of(router: Router, request: Incoming) -> Option<Answer> {
    let Incoming { method, path, headers, body, cut, .. } = request;
    let length = body.len();
    let arrives = Bytes::from(body).slice(..cut.unwrap_or(length).min(length));
    let pieces: Vec<io::Result<Bytes>> =
        (0..arrives.len()).step_by(PIECE).map(|at| Ok(arrives.slice(at..arrives.len().min(at + PIECE)))).collect();
    let end = cut.map(|_| Err(io::Error::from(io::ErrorKind::ConnectionReset)));
    let body = Body::from_stream(stream::iter(pieces.into_iter().chain(end)).map(|piece| piece));
    let mut builder = Request::builder().method(method.as_str()).uri(&path).header("host", "afterword.example");
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let request = builder.header("content-length", length).body(body).unwrap();
    let Ok(response) = router.oneshot(request).await;
    if cut.is_some() {
        return None;
    }
    let (head, body) = response.into_parts();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let headers = headers.collect();
    let body = to_bytes(body, MAX_ANSWER).await.ok()?.to_vec();
    Some(Answer { status: head.status.as_u16(), headers, body })
}
