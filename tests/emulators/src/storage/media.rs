//! Reads of an object's bytes, completely or from an offset.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::State;
use super::answer::{self, Body, Refusal, crc_text};
use super::bucket::Object;
use super::call::Call;
use super::fault::Fault;

const PIECE: usize = 64 * 1024;

pub fn read(state: &State, call: &Call, headers: &HeaderMap, fault: Option<Fault>) -> Result<Response<Body>, Refusal> {
    let object = state.buckets.find(&call.bucket, &call.object, call.number("generation"))?;
    let (first, end) = match headers.get(RANGE) {
        None => (0, object.size),
        Some(range) => wanted(range, object.size)?,
    };
    let (bytes, cut) = spoiled(object.bytes.slice(first as usize..end as usize), fault);
    let mut response = Response::new(in_pieces(bytes, cut));
    describe(response.headers_mut(), &object, end - first);
    if headers.contains_key(RANGE) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {first}-{}/{}", end - 1, object.size);
        set(response.headers_mut(), CONTENT_RANGE, &range);
    }
    Ok(response)
}

/// Applies a fault to the bytes of an answer; returns them, and after how many of them the connection is closed.
pub fn spoiled(bytes: Bytes, fault: Option<Fault>) -> (Bytes, Option<u64>) {
    match fault {
        Some(Fault::WrongBytes) if !bytes.is_empty() => {
            let mut wrong = bytes.to_vec();
            wrong[0] ^= 1;
            (wrong.into(), None)
        }
        Some(Fault::Truncate(after)) => (bytes, Some(after)),
        _ => (bytes, None),
    }
}

/// The offset of the first byte, and the offset after the last one.
fn wanted(range: &HeaderValue, size: u64) -> Result<(u64, u64), Refusal> {
    let not_satisfiable = || {
        Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "requestedRangeNotSatisfiable", "Request range not satisfiable")
    };
    let parse = || -> Option<(u64, u64)> {
        let (first, last) = range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
        if first.is_empty() {
            return Some((size.saturating_sub(last.parse().ok()?), size));
        }
        let end = if last.is_empty() { size } else { size.min(last.parse::<u64>().ok()?.saturating_add(1)) };
        Some((first.parse().ok()?, end))
    };
    parse().filter(|(first, end)| first < end).ok_or_else(not_satisfiable)
}

fn describe(headers: &mut HeaderMap, object: &Object, length: u64) {
    // The checksum covers the whole object, whatever the range.
    set(headers, HeaderName::from_static("x-goog-hash"), &format!("crc32c={}", crc_text(object.crc32c)));
    set(headers, HeaderName::from_static("x-goog-generation"), &object.generation.to_string());
    set(headers, HeaderName::from_static("x-goog-metageneration"), "1");
    set(headers, HeaderName::from_static("x-goog-storage-class"), "STANDARD");
    set(headers, HeaderName::from_static("x-goog-stored-content-encoding"), "identity");
    set(headers, HeaderName::from_static("x-goog-stored-content-length"), &object.size.to_string());
    set(headers, ETAG, &format!("etag-{}", object.generation));
    set(headers, ACCEPT_RANGES, "bytes");
    set(
        headers,
        CONTENT_TYPE,
        if object.content_type.is_empty() { "application/octet-stream" } else { &object.content_type },
    );
    set(headers, CONTENT_LENGTH, &length.to_string());
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The bytes in pieces, up to the cut.
pub fn in_pieces(mut bytes: Bytes, cut: Option<u64>) -> Body {
    let Some(after) = cut else { return answer::body(bytes) };
    bytes.truncate(usize::try_from(after).unwrap_or(usize::MAX));
    let pieces = std::iter::from_fn(move || {
        (!bytes.is_empty()).then(|| Ok(Frame::data(bytes.split_to(bytes.len().min(PIECE)))))
    });
    // The bytes must be sent before the connection is closed, or the client sees fewer of them than ordered.
    let end = stream::once(async {
        for _ in 0..64 {
            tokio::task::yield_now().await;
        }
        Err(io::Error::other("ordered by the test"))
    });
    StreamBody::new(stream::StreamExt::chain(stream::iter(pieces.collect::<Vec<_>>()), end)).boxed_unsync()
}
