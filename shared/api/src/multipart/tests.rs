//! Whole bodies, cut into frames of every size.

mod bounds;
mod damaged;
mod random;
mod senders;

use std::task::Poll;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::*;

const PLAIN: &str = "multipart/form-data; boundary=xyz";

/// A part that was read completely.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    name: Option<String>,
    file_name: Option<String>,
    content: Vec<u8>,
}

fn read_part(name: &str, file_name: Option<&str>, content: &[u8]) -> Read {
    Read { name: Some(name.to_owned()), file_name: file_name.map(str::to_owned), content: content.to_vec() }
}

fn content_type(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(value).unwrap())])
}

fn reader(value: &str, frames: impl IntoIterator<Item = Bytes, IntoIter: Send> + 'static) -> Multipart {
    let frames = stream::iter(frames.into_iter().map(Ok::<_, std::io::Error>));
    Multipart::new(&content_type(value), Body::from_stream(frames)).unwrap()
}

/// Returns the result of a future that must be ready: the frames of these tests always are.
fn now<F: Future>(future: F) -> F::Output {
    future.now_or_never().expect("it waits for what is already there")
}

fn read_content(multipart: &mut Multipart) -> Result<Vec<u8>, MultipartError> {
    let mut content = Vec::new();
    while let Some(bytes) = now(multipart.chunk())? {
        assert!(!bytes.is_empty());
        content.extend_from_slice(&bytes);
    }
    Ok(content)
}

fn read_all(mut multipart: Multipart) -> Result<Vec<Read>, MultipartError> {
    let mut parts = Vec::new();
    while let Some(Part { name, file_name, .. }) = now(multipart.next_part())? {
        parts.push(Read { name, file_name, content: read_content(&mut multipart)? });
    }
    assert!(now(multipart.next_part())?.is_none(), "the end stays the end");
    Ok(parts)
}

/// Cuts a body into frames of the given sizes, repeated as often as needed.
fn cut(body: &[u8], sizes: &[usize]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(body);
    let mut sizes = sizes.iter().cycle();
    let mut frames = Vec::new();
    while !rest.is_empty() {
        frames.push(rest.split_to(rest.len().min(*sizes.next().unwrap())));
    }
    frames
}

/// Reads `body` in one frame and in frames of every size up to 100 bytes: the result must be the same.
fn read_in_every_cut(value: &str, body: &[u8]) -> Result<Vec<Read>, MultipartError> {
    let whole = read_all(reader(value, cut(body, &[body.len().max(1)])));
    for size in 1..body.len().min(100) {
        let again = read_all(reader(value, cut(body, &[size])));
        assert_eq!(format!("{whole:?}"), format!("{again:?}"), "in frames of {size}");
    }
    whole
}

fn contents(body: &[u8]) -> Vec<Vec<u8>> {
    read_in_every_cut(PLAIN, body).unwrap().into_iter().map(|part| part.content).collect()
}

#[test]
fn form_without_parts_is_read_as_empty() {
    assert_eq!(contents(b"--xyz--").len(), 0);
    assert_eq!(contents(b"--xyz--\r\n").len(), 0);
}

#[test]
fn content_lies_between_the_empty_line_and_the_next_boundary() {
    assert_eq!(
        contents(b"--xyz\r\na: b\r\n\r\n\r\none\r\n\r\n--xyz\r\n\r\ntwo\r\n--xyz--"),
        [&b"\r\none\r\n"[..], b"two"]
    );
}

#[test]
fn part_may_be_empty() {
    assert_eq!(contents(b"--xyz\r\na: b\r\n\r\n\r\n--xyz\r\n\r\n\r\n--xyz--"), [b"", b""]);
    // The line break of the empty line may also be that of the boundary (RFC 2046, section 5.1.1).
    assert_eq!(contents(b"--xyz\r\na: b\r\n\r\n--xyz\r\n\r\n--xyz--"), [b"", b""]);
}

#[test]
fn text_that_resembles_a_boundary_is_content() {
    for content in
        ["--xy", "--xy\r\n--xy", "\r\n--xy", "\r\r\n\r\n-", "\n--xyz", "\r--xyz", " --xyz--", "\r\n\r\n\r", "\r\n -xyz"]
    {
        let body = format!("--xyz\r\n\r\n{content}\r\n--xyz--");
        assert_eq!(contents(body.as_bytes()), [content.as_bytes()], "{content:?}");
    }
}

#[test]
fn preamble_and_epilogue_are_ignored() {
    let body = b"This is MIME.\r\n--xy\r\n--xyz \t \r\n\r\none\r\n--xyz-- \r\n--xyz\r\nwhatever";
    assert_eq!(contents(body), [b"one"]);
    assert_eq!(contents(b"\r\n--xyz\r\n\r\none\r\n--xyz--"), [b"one"]);
}

#[test]
fn boundary_may_have_spaces_and_70_characters() {
    let boundary = format!("a {}", "'()+_,-./:=?".repeat(6)).split_at(70).0.to_owned();
    let body = format!("--{boundary}\r\n\r\none\r\n--{boundary}--\r\n");
    let parts = read_in_every_cut(&format!("multipart/form-data; boundary=\"{boundary}\""), body.as_bytes());
    assert_eq!(parts.unwrap()[0].content, b"one");
}

#[test]
fn headers_of_a_part_are_returned_with_it() {
    let body = b"--xyz\r\nX-A:  1 \r\nx-a: 2\r\nX-B:\r\nContent-Digest: sha-256=:abc=:\r\n\r\n\r\n--xyz--";
    let mut multipart = reader(PLAIN, cut(body, &[7]));
    let headers = now(multipart.next_part()).unwrap().unwrap().headers;
    assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(headers["x-b"], "");
    assert_eq!(headers["content-digest"], "sha-256=:abc=:");
    assert_eq!(headers.len(), 4);
}

#[test]
fn content_is_returned_in_slices_of_its_frames() {
    let frame = Bytes::from_static(b"--xyz\r\n\r\nall of it\r\n--xyz--");
    let mut multipart = reader(PLAIN, [frame.clone()]);
    now(multipart.next_part()).unwrap();
    let content = now(multipart.chunk()).unwrap().unwrap();
    assert_eq!(content.as_ptr(), frame[9..].as_ptr());
}

#[test]
fn content_is_returned_before_the_next_frame_arrives() {
    let frames = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"--xyz\r\n\r\nhello\r\n--x"))]);
    let body = Body::from_stream(frames.chain(stream::pending()));
    let mut multipart = Multipart::new(&content_type(PLAIN), body).unwrap();
    assert!(now(multipart.chunk()).unwrap().is_none(), "there is no part yet");
    now(multipart.next_part()).unwrap();
    assert_eq!(now(multipart.chunk()).unwrap().unwrap(), "hello");
    assert!(multipart.chunk().now_or_never().is_none());
}

/// A reader of `head`, then `body` byte by byte, which is not ready at every second poll.
fn slow_reader(head: &'static [u8], body: &'static [u8]) -> Multipart {
    let frames =
        [head].into_iter().chain(body.chunks(1)).map(|bytes| Ok::<_, std::io::Error>(Bytes::from_static(bytes)));
    let mut frames = stream::iter(frames);
    let mut waits = true;
    let frames = stream::poll_fn(move |cx| {
        waits = !waits;
        if waits { Poll::Pending } else { frames.poll_next_unpin(cx) }
    });
    Multipart::new(&content_type(PLAIN), Body::from_stream(frames)).unwrap()
}

#[test]
fn dropped_call_for_content_can_be_repeated() {
    let mut multipart = slow_reader(b"--xyz\r\n\r\n", b"one\r\n--xy\r\n--xyz--");
    now(multipart.next_part()).unwrap();
    let (mut content, mut given_up) = (Vec::new(), 0);
    loop {
        match multipart.chunk().now_or_never() {
            None => given_up += 1,
            Some(Ok(Some(bytes))) => content.extend_from_slice(&bytes),
            Some(end) => break assert!(end.unwrap().is_none()),
        }
    }
    assert_eq!(content, b"one\r\n--xy");
    assert!(given_up > content.len());
}

#[test]
fn dropped_call_for_a_part_cannot_be_repeated() {
    let mut multipart = slow_reader(b"--xyz\r\n", b"a: b\r\n\r\none\r\n--xyz--");
    assert!(multipart.next_part().now_or_never().is_none());
    assert!(now(multipart.next_part()).is_err());
    assert!(now(multipart.chunk()).is_err());
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "read to its end")]
fn next_part_panics_in_debug_builds_if_a_part_was_not_read() {
    let mut multipart = reader(PLAIN, cut(b"--xyz\r\n\r\none\r\n--xyz\r\n\r\n\r\n--xyz--", &[3]));
    now(multipart.next_part()).unwrap();
    let _ = now(multipart.next_part());
}

#[test]
#[cfg(not(debug_assertions))]
fn unread_part_is_skipped_in_release_builds() {
    let mut multipart = reader(PLAIN, cut(b"--xyz\r\n\r\none\r\n--xyz\r\na: b\r\n\r\n\r\n--xyz--", &[3]));
    now(multipart.next_part()).unwrap();
    assert_eq!(now(multipart.next_part()).unwrap().unwrap().headers["a"], "b");
}
