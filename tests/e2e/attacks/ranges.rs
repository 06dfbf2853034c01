//! Byte ranges that are impossible, and bodies that do not match their range.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::recordings::T0;
use tests::wait::{PATIENCE, Stopwatch};
use tests::{Recording, Reply, Wire};

use super::Target;
use crate::sessions::{asked, complete, open, put, url};

/// An open session for one recording.
struct Session {
    target: Target,
    file: Recording,
    session: Value,
    url: String,
}

impl Session {
    async fn start() -> Self {
        let target = Target::start().await;
        let file = Recording::speech(T0);
        let session = open(&target.server.client(), &[&file]).await;
        Self { target, url: url(&session, 0), file, session }
    }

    fn size(&self) -> usize {
        self.file.bytes.len()
    }

    fn head(&self, fields: &str) -> String {
        format!("PUT {} HTTP/1.1\r\nhost: x\r\n{fields}\r\n", self.url)
    }

    /// Sends a request whose headers and body need not agree.
    async fn raw(&self, fields: &str, body: &[u8]) -> Reply {
        self.target.raw([self.head(&format!("connection: close\r\n{fields}")).as_bytes(), body].concat()).await
    }

    async fn range(&self, range: &str, body: &[u8]) -> Reply {
        self.raw(&format!("content-range: {range}\r\ncontent-length: {}\r\n", body.len()), body).await
    }

    async fn offset(&self) -> u64 {
        asked(&self.target.server, &self.url).await
    }

    /// After all attempts the announced recording can still be sent, and is the one that is transcribed.
    async fn assert_still_uploadable(self) {
        let Self { target, file, session, url } = self;
        let from = asked(&target.server, &url).await;
        let range = format!("bytes {from}-{}/*", file.bytes.len() - 1);
        let rest = file.bytes.slice(usize::try_from(from).unwrap()..);
        assert_eq!(put(&target.server, &url, &range, rest).await.status, 200);
        let client = target.server.client();
        complete(&client, &session).await.ok();
        let job = client.terminal(session["job_id"].as_str().unwrap()).await;
        assert_eq!(job["status"], "completed", "{job}");
        target.server.folder().until_no_blobs(PATIENCE).await;
        target.assert_running().await;
    }
}

#[tokio::test]
async fn impossible_ranges_write_nothing() {
    let at = Session::start().await;
    let (size, last) = (at.size(), at.size() - 1);
    for range in [
        "bytes 5-14/*".to_owned(),
        "bytes 9-0/*".to_owned(),
        "bytes -10-9/*".to_owned(),
        "bytes 0--9/*".to_owned(),
        "bytes +0-+9/*".to_owned(),
        "bytes 0-9/-1".to_owned(),
        format!("bytes 0-9/{}", size + 1),
        format!("bytes 0-9/{}", size - 1),
        "bytes 0-9/0".to_owned(),
        format!("bytes {size}-{}/*", size + 9),
        format!("bytes 0-{size}/{size}"),
        "bytes 0-18446744073709551615/*".to_owned(),
        "bytes 0-18446744073709551616/*".to_owned(),
        "bytes 18446744073709551606-18446744073709551615/18446744073709551616".to_owned(),
        "bytes 9223372036854775807-9223372036854775816/*".to_owned(),
        format!("bytes 0-9/{}", "9".repeat(7000)),
        format!("bytes 0x0-0x9/{size}"),
        format!("bytes 0.0-9.0/{size}"),
        format!("bytes 0-1e1/{size}"),
        format!("bytes \u{0660}-\u{0669}/{size}"),
        "bytes 0-4,5-9/*".to_owned(),
        "bytes 0-9/*, bytes 10-19/*".to_owned(),
        "bytes=0-9/*".to_owned(),
        "bytes 0-9".to_owned(),
        "bytes */*/*".to_owned(),
        "0-9/*".to_owned(),
        "bits 0-9/*".to_owned(),
        "bytes".to_owned(),
        String::new(),
    ] {
        let problem = at.range(&range, &[7; 10]).await;
        problem.problem(416, "invalid_range");
        assert_eq!(problem.header("range"), None, "nothing is there after `{range}`");
    }
    // Without a range the body counts as the whole file.
    at.raw(&format!("content-length: {last}\r\n"), &at.file.bytes[..last]).await.problem(416, "invalid_range");
    assert_eq!(at.offset().await, 0);
    at.assert_still_uploadable().await;
}

#[tokio::test]
async fn multiple_ranges_are_refused() {
    let at = Session::start().await;
    for (one, other) in [("0-9/*", "10-19/*"), ("0-9/*", "0-9/*"), ("*/*", "0-9/*")] {
        let fields = format!("content-range: bytes {one}\r\ncontent-range: bytes {other}\r\ncontent-length: 10\r\n");
        at.raw(&fields, &[7; 10]).await.problem(416, "invalid_range");
    }
    assert_eq!(at.offset().await, 0);
    at.assert_still_uploadable().await;
}

/// Bytes that were received are never overwritten, whatever is sent for their range.
#[tokio::test]
async fn overlapping_bytes_are_skipped_and_a_gap_is_refused() {
    let at = Session::start().await;
    let bytes = &at.file.bytes;
    assert_eq!(at.range("bytes 0-999/*", &bytes[..1000]).await.header("range"), Some("bytes=0-999"));
    for range in ["bytes 0-9/*", "bytes 990-999/*", "bytes 500-509/*"] {
        let answer = at.range(range, &[0xEE; 10]).await;
        assert_eq!((answer.status(), answer.header("range")), (308, Some("bytes=0-999")), "{}", answer.text);
    }
    let overlap = [&[0xEE; 10][..], &bytes[1000..1010]].concat();
    let answer = at.range("bytes 990-1009/*", &overlap).await;
    assert_eq!((answer.status(), answer.header("range")), (308, Some("bytes=0-1009")), "{}", answer.text);
    for first in [1011, 5000, at.size() - 10] {
        let gap = at.range(&format!("bytes {first}-{}/*", first + 9), &[0xEE; 10]).await;
        gap.problem(416, "invalid_range");
        assert_eq!(gap.header("range"), Some("bytes=0-1009"), "the answer reports the offset");
    }
    at.assert_still_uploadable().await;
}

#[tokio::test]
async fn body_longer_or_shorter_than_its_range_never_counts_for_more() {
    let at = Session::start().await;
    for (length, bytes) in [(0, 0), (9, 9), (11, 11), (1, 1)] {
        let fields = format!("content-range: bytes 0-9/*\r\ncontent-length: {length}\r\n");
        at.raw(&fields, &at.file.bytes[..bytes]).await.problem(416, "invalid_range");
    }
    at.raw("content-range: bytes */*\r\ncontent-length: 10\r\n", &[7; 10]).await.problem(416, "invalid_range");
    // Two lengths cannot smuggle anything.
    for fields in ["content-length: 10\r\ncontent-length: 11\r\n", "content-length: -1\r\n", "content-length: 1e1\r\n"]
    {
        at.raw(&format!("content-range: bytes 0-9/*\r\n{fields}"), &[7; 11]).await.assert_bare_status(400);
    }
    assert_eq!(at.offset().await, 0);
    // The bytes beyond the announced length are another request, not part of the file.
    let fields = "content-range: bytes 0-9/*\r\ncontent-length: 10\r\n";
    let more = [at.head(fields).as_bytes(), &at.file.bytes[..10], &[0xEE; 4000]].concat();
    let reply = at.target.send_and_read_to_end(more).await;
    assert_eq!((reply.status(), reply.header("range")), (308, Some("bytes=0-9")), "{}", reply.text);
    assert_eq!(at.offset().await, 10);
    // A client closes the connection early: the bytes that arrived count.
    let mut short = at.target.dial(at.head("content-range: bytes 10-99/*\r\ncontent-length: 90\r\n")).await;
    short.write(&at.file.bytes[10..50]).await;
    short.half_close().await;
    short.read_to_end().await;
    assert_eq!(at.offset().await, 50);
    at.assert_still_uploadable().await;
}

#[tokio::test]
async fn chunks_without_an_end_fill_at_most_the_file() {
    let at = Session::start().await;
    let chunk = [b"ffff\r\n".as_slice(), &[0xEE; 0xFFFF], b"\r\n"].concat();
    let fields = "transfer-encoding: chunked\r\ncontent-range: bytes 0-9/*\r\n";
    let mut endless = at.target.dial(at.head(fields)).await;
    endless.write(b"a\r\n").await;
    endless.write(&at.file.bytes[..10]).await;
    endless.write(b"\r\n").await;
    for _ in 0..400 {
        if !endless.write(&chunk).await {
            break;
        }
    }
    endless.half_close().await;
    let reply = endless.read_to_end().await;
    // The client may be cut off before it reads its answer.
    assert!(matches!(reply.status(), 0 | 416), "{}", reply.text);
    assert_eq!(at.offset().await, 10, "the bytes within the range count");
    for broken in ["zz\r\n", "-1\r\n", "ffffffffffffffffff\r\n", "5\r\nab"] {
        let mut wire = at.target.dial(at.head("transfer-encoding: chunked\r\ncontent-range: bytes 10-19/*\r\n")).await;
        wire.write(broken.as_bytes()).await;
        wire.half_close().await;
        let reply = wire.read_to_end().await;
        assert!(matches!(reply.status(), 0 | 308 | 400), "{}", reply.text);
    }
    let offset = at.offset().await;
    assert!((10..=12).contains(&offset), "{offset}");
    at.file_from(offset).await;
}

impl Session {
    /// Of an interrupted chunk the first bytes may count, right or wrong: a session with other bytes must not pass.
    async fn file_from(self, offset: u64) {
        if offset == 10 {
            return self.assert_still_uploadable().await;
        }
        let range = format!("bytes {offset}-{}/*", self.size() - 1);
        let rest = self.file.bytes.slice(usize::try_from(offset).unwrap()..);
        put(&self.target.server, &self.url, &range, rest).await.problem(422, "digest_mismatch");
        self.assert_still_uploadable().await;
    }
}

/// One connection sends a byte now and then: a later one takes over at once, and no byte is lost.
#[tokio::test]
async fn slow_sender_is_displaced_by_the_next() {
    let at = Session::start().await;
    let fields = format!("content-range: bytes 0-{}/*\r\ncontent-length: {}\r\n", at.size() - 1, at.size());
    let mut slow: Vec<Wire> = Vec::new();
    for round in 0..5_u64 {
        let offset = usize::try_from(at.offset().await).unwrap();
        let mut wire = at.target.dial(at.head(&fields)).await;
        // Bytes that have arrived are sent again, and are skipped.
        wire.write(&at.file.bytes[..offset]).await;
        for byte in &at.file.bytes[offset..offset + 3] {
            wire.write(&[*byte]).await;
            wire.is_silent_for(Duration::from_millis(100)).await;
        }
        let watch = Stopwatch::start();
        let seen = at.offset().await;
        assert!(watch.elapsed() < Duration::from_secs(2), "the request was delayed for {:?}", watch.elapsed());
        assert_eq!(seen, 3 * (round + 1));
        slow.push(wire);
    }
    for (round, wire) in slow.iter_mut().enumerate() {
        let reply = wire.read_answer().await;
        let range = format!("bytes=0-{}", 3 * (round + 1) - 1);
        assert_eq!((reply.status(), reply.header("range")), (308, Some(&*range)), "{}", reply.text);
    }
    at.assert_still_uploadable().await;
}

#[tokio::test]
async fn complete_file_accepts_no_bytes() {
    let at = Session::start().await;
    let (server, client) = (&at.target.server, at.target.server.client());
    put(server, &at.url, "", at.file.bytes.clone()).await.ok();
    for what in ["whole", "completed"] {
        let last = at.size() - 1;
        for (range, bytes) in
            [("bytes 0-9/*".to_owned(), 10), (format!("bytes {last}-{last}/*"), 1), (String::new(), at.size())]
        {
            let answer = put(server, &at.url, &range, vec![0xEE; bytes]).await;
            assert_eq!((answer.status, &answer.body["whole"]), (200, &json!(true)), "{what}: {}", answer.text);
        }
        let beyond = format!("bytes {}-{}/*", at.size(), at.size() + 9);
        put(server, &at.url, &beyond, vec![0xEE; 10]).await.problem(416, "invalid_range");
        complete(&client, &at.session).await.ok();
    }
    let job = client.terminal(at.session["job_id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "completed", "{job}");
    server.folder().until_no_blobs(PATIENCE).await;
    put(server, &at.url, "", vec![0xEE; at.size()]).await.ok();
    server.folder().until_no_blobs(PATIENCE).await;

    let other = Recording::short(T0 + 1000);
    let session = open(&client, &[&other]).await;
    let path = format!("/v2/sync/jobs/{}", session["job_id"].as_str().unwrap());
    client.send(client.request(Method::DELETE, &path)).await.ok();
    for range in ["bytes 0-9/*", "bytes 5-1/*", "bytes */*"] {
        let bytes = if range.contains("*/") { 0 } else { 10 };
        put(server, &url(&session, 0), range, vec![7; bytes]).await.problem(410, "upload_expired");
    }
    server.folder().until_no_blobs(PATIENCE).await;
    at.target.assert_running().await;
}
