//! Bodies that are cut off, malformed or unreadable are never taken for complete ones.

use std::error::Error;
use std::io;

use super::*;

fn detail(body: &[u8]) -> &'static str {
    match read_in_every_cut(PLAIN, body) {
        Err(MultipartError::Malformed(detail)) => detail,
        other => panic!("{other:?}"),
    }
}

#[test]
fn truncated_body_is_refused_at_every_length() {
    let body = b"--xyz\r\nContent-Disposition: form-data; name=\"files\"\r\n\r\none\r\n--xyz\r\n\r\n\r\n--xyz--";
    assert_eq!(read_in_every_cut(PLAIN, body).unwrap().len(), 2);
    for length in 0..body.len() {
        assert_eq!(detail(&body[..length]), "the body ends before the closing boundary", "after {length} bytes");
    }
}

#[test]
fn reading_after_an_error_fails_again() {
    let mut multipart = reader(PLAIN, cut(b"--xyz\r\n\r\none", &[3]));
    now(multipart.next_part()).unwrap();
    assert!(read_content(&mut multipart).is_err());
    assert!(now(multipart.chunk()).is_err());
    assert!(now(multipart.next_part()).is_err());
    assert!(now(multipart.next_part()).is_err());
}

#[test]
fn boundary_with_other_text_on_its_line_is_refused() {
    for rest in ["x\r\n", "-\r\n", "-x-", " --", " x\r\n", "--x", "---", "--xyz", "\n", "\r\r\n", "\rx"] {
        let body = format!("--xyz\r\n\r\none\r\n--xyz{rest}\r\n\r\n--xyz--");
        assert_eq!(detail(body.as_bytes()), "a boundary is followed by something else on its line", "{rest:?}");
    }
}

#[test]
fn malformed_header_is_refused() {
    for line in
        ["a", ": b", "a : b", " a: b", "a: b\r\n c", "a: b\nc: d", "a: b\rc: d", "a: b\r", "a: \x00", "ä: b", "--xyz"]
    {
        let body = format!("--xyz\r\n{line}\r\n\r\none\r\n--xyz--");
        assert_eq!(detail(body.as_bytes()), "a part has a malformed header", "{line:?}");
    }
}

#[test]
fn part_with_an_ambiguous_name_is_refused() {
    let twice = "Content-Disposition: form-data; name=\"a\"\r\n".repeat(2);
    let body = format!("--xyz\r\n{twice}\r\none\r\n--xyz--");
    assert_eq!(detail(body.as_bytes()), "a part has two Content-Disposition headers");
    let body = b"--xyz\r\nContent-Disposition: form-data; name=\"\xe4\"\r\n\r\none\r\n--xyz--";
    assert_eq!(detail(body), "a Content-Disposition is not UTF-8");
}

#[test]
fn failure_to_read_the_body_is_distinct_and_keeps_its_cause() {
    // The body fails in the preamble, the boundary's line, the headers, the content, a partial boundary, and the
    // epilogue.
    for body in ["", "--xyz", "--xyz\r\na: b", "--xyz\r\n\r\none", "--xyz\r\n\r\none\r\n--x", "--xyz--"] {
        let gone = || io::Error::new(io::ErrorKind::ConnectionReset, "the client is gone");
        let frames = stream::iter([Ok(Bytes::from(body)), Err(gone())]);
        let multipart = Multipart::new(&content_type(PLAIN), Body::from_stream(frames)).unwrap();
        let Err(MultipartError::Body(error)) = read_all(multipart) else { panic!("after {body:?}") };
        let cause = std::iter::successors(error.source(), |&error| error.source())
            .find_map(|error| error.downcast_ref::<io::Error>())
            .unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::ConnectionReset);
    }
}
