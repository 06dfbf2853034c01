//! What the reader never holds or goes on reading, however much a client sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const MIB: usize = 1024 * 1024;

/// The bytes of the frames that are still alive, now and at most.
#[derive(Default)]
struct Held {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Frame {
    bytes: Vec<u8>,
    held: Arc<Held>,
}

impl Frame {
    fn counted(bytes: Vec<u8>, held: &Arc<Held>) -> Bytes {
        let now = held.now.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
        held.most.fetch_max(now, Ordering::Relaxed);
        Bytes::from_owner(Self { bytes, held: Arc::clone(held) })
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.held.now.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// Reads a part of `total` bytes in frames of `size` that are all ready at once, each ending in half a boundary.
/// Returns how many bytes of frames were alive at most.
fn most_held(total: usize, size: usize) -> usize {
    let held = Arc::new(Held::default());
    let mut content = vec![b'.'; size];
    content[size - 6..].copy_from_slice(b"\r\n--xy");
    let ends = [b"--xyz\r\n\r\n".to_vec(), b"\r\n--xyz--".to_vec()];
    let [head, tail] = ends;
    let bodies = std::iter::repeat_n(content, total / size);
    let counter = Arc::clone(&held);
    let frames = std::iter::once(head).chain(bodies).chain([tail]).map(move |bytes| Frame::counted(bytes, &counter));
    let mut multipart = reader(PLAIN, frames);
    now(multipart.next_part()).unwrap();
    let mut read = 0;
    while let Some(bytes) = now(multipart.chunk()).unwrap() {
        read += bytes.len();
    }
    assert_eq!(read, total);
    assert!(now(multipart.next_part()).unwrap().is_none());
    assert_eq!(held.now.load(Ordering::Relaxed), 0);
    held.most.load(Ordering::Relaxed)
}

#[test]
fn at_most_one_frame_is_held_whatever_the_size_of_the_part() {
    assert_eq!(most_held(64 * MIB, MIB), MIB);
    assert_eq!(most_held(64 * MIB, 64 * 1024), 64 * 1024);
}

/// Reads `start` and then `text` repeated for ever, in frames of 1 KiB. Returns the error and how many bytes were read
/// before it.
fn endless(start: &'static str, text: &'static str) -> (&'static str, usize) {
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let frame = Bytes::from(text.repeat(1024 / text.len()));
    let frames = std::iter::once(Bytes::from(start)).chain(std::iter::repeat(frame)).inspect(move |frame| {
        counter.fetch_add(frame.len(), Ordering::Relaxed);
    });
    match read_all(reader(PLAIN, frames)) {
        Err(MultipartError::Malformed(detail)) => (detail, read.load(Ordering::Relaxed)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn endless_headers_are_refused() {
    for (start, text) in [("--xyz\r\n", "x"), ("--xyz\r\na: ", "b"), ("--xyz\r\na: b\r\nc:", " ")] {
        let (detail, read) = endless(start, text);
        assert_eq!(detail, "the headers of a part are larger than 16 KiB");
        assert!(read < limits::HEADER_BYTES + 2048, "{read}");
    }
    let (detail, read) = endless("--xyz\r\n", "a: b\r\n");
    assert_eq!(detail, "a part has more than 32 headers");
    assert!(read < 4096, "{read}");
}

#[test]
fn headers_at_their_limits_are_accepted() {
    let line = |length: usize| format!("a: {}\r\n", "b".repeat(length - 5));
    // The empty line counts too.
    let largest = line(limits::HEADER_BYTES - 2);
    let most = line(6).repeat(limits::HEADERS);
    for headers in [&largest, &most] {
        assert_eq!(contents(format!("--xyz\r\n{headers}\r\n\r\n--xyz--").as_bytes()), [b""]);
    }
    let larger = line(limits::HEADER_BYTES - 1);
    let more = line(6).repeat(limits::HEADERS + 1);
    for headers in [&larger, &more] {
        assert!(read_in_every_cut(PLAIN, format!("--xyz\r\n{headers}\r\n\r\n--xyz--").as_bytes()).is_err());
    }
}

#[test]
fn endless_preamble_is_refused() {
    for text in ["x", "\r\n", "\r\n--xy", " --xyz"] {
        let (detail, read) = endless("", text);
        assert_eq!(detail, "there is too much in front of the first boundary");
        assert!(read < limits::PREAMBLE + 2048, "{read}");
    }
    let preamble = "x".repeat(limits::PREAMBLE);
    assert_eq!(contents(format!("{preamble}\r\n--xyz--").as_bytes()).len(), 0);
    assert!(read_in_every_cut(PLAIN, format!("{preamble}x\r\n--xyz--").as_bytes()).is_err());
}

#[test]
fn endless_blanks_after_a_boundary_are_refused() {
    let (detail, read) = endless("--xyz", " ");
    assert_eq!(detail, "a boundary is followed by something else on its line");
    assert!(read < 4096, "{read}");
}

#[test]
fn endless_epilogue_is_left_unread_and_a_short_one_is_read() {
    let read = Arc::new(AtomicUsize::new(0));
    let count = |frames: usize| {
        let counter = Arc::clone(&read);
        counter.store(0, Ordering::Relaxed);
        let tail = std::iter::repeat_n(Bytes::from_static(&[b' '; 1024]), frames);
        let frames = std::iter::once(Bytes::from_static(b"--xyz--")).chain(tail);
        let frames = frames.inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(read_all(reader(PLAIN, frames)).unwrap(), []);
        read.load(Ordering::Relaxed)
    };
    assert_eq!(count(60), 61);
    assert!(count(usize::MAX) < 70);
}

#[test]
fn endless_empty_parts_are_returned_one_by_one() {
    let mut multipart = reader(PLAIN, std::iter::repeat(Bytes::from_static(b"--xyz\r\n\r\n\r\n")));
    for _ in 0..10_000 {
        assert!(now(multipart.next_part()).unwrap().is_some());
        assert!(read_content(&mut multipart).unwrap().is_empty());
    }
}
