//! Upload sessions by plain HTTP, as "Perform resumable uploads" in Google's documentation describes them.

use reqwest::{Client, Response, redirect};
use testkit::skip;

use super::*;

struct Session {
    cloud: CloudStorage,
    client: Client,
    url: String,
}

async fn session() -> Session {
    let cloud = CloudStorage::start(BUCKET).await;
    let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
    let at = format!("{}/upload/storage/v1/b/{}/o?uploadType=resumable&name=one", cloud.endpoint(), cloud.bucket());
    let started = client.post(at).send().await.unwrap();
    let url = started.headers()["location"].to_str().unwrap().to_owned();
    Session { cloud, client, url }
}

impl Session {
    async fn put(&self, range: &str, bytes: &[u8]) -> Response {
        let request = self.client.put(&self.url).header("content-range", range).header("content-length", bytes.len());
        request.body(bytes.to_vec()).send().await.unwrap()
    }
}

fn state(response: &Response) -> (u16, Option<&str>) {
    (response.status().as_u16(), response.headers().get("range").map(|range| range.to_str().unwrap()))
}

#[tokio::test]
async fn session_reports_its_received_bytes() {
    let at = session().await;
    let bytes = sound(QUANTUM + 5);
    assert_eq!(state(&at.put("bytes */*", b"").await), (308, None));
    let first = format!("bytes 0-{}/*", QUANTUM - 1);
    assert_eq!(state(&at.put(&first, &bytes[..QUANTUM]).await), (308, Some("bytes=0-262143")));
    assert_eq!(state(&at.put("bytes */*", b"").await), (308, Some("bytes=0-262143")));
    let rest = format!("bytes {QUANTUM}-{}/{}", QUANTUM + 4, QUANTUM + 5);
    assert_eq!(state(&at.put(&rest, &bytes[QUANTUM..]).await), (200, None));
    assert_eq!(state(&at.put("bytes */*", b"").await), (200, None));
    assert!(at.cloud.bytes("one").unwrap() == bytes);
}

#[tokio::test]
async fn a_stream_of_unknown_length_ends_with_its_request() {
    let at = session().await;
    assert_eq!(state(&at.put("bytes 0-*/*", b"sound").await), (200, None));
    assert_eq!(at.cloud.bytes("one").unwrap(), &b"sound"[..]);
}

#[tokio::test]
async fn ranges_that_do_not_match_the_offset_are_refused() {
    let at = session().await;
    if at.cloud.is_elsewhere() {
        skip!("Google's testbench takes chunks of any length, and from anywhere");
    }
    for (range, bytes) in
        [("bytes 0-4/*", &b"sound"[..]), ("bytes 0-3/4", b"sound"), ("bytes 0-9/5", b"sound"), ("bytes what", b"sound")]
    {
        assert_eq!(state(&at.put(range, bytes).await), (400, None), "{range}");
    }
    // An earlier request of the client may still be running: therefore Google answers with 503, and a client queries
    // the offset.
    assert_eq!(state(&at.put("bytes 5-9/10", b"sound").await), (503, None));
    assert_eq!(at.cloud.sessions(), [bucket::Session { name: "one".to_owned(), received: 0 }]);
}

#[tokio::test]
async fn a_cancelled_session_is_gone() {
    let at = session().await;
    assert_eq!(state(&at.client.delete(&at.url).send().await.unwrap()).0, 499);
    let gone = if at.cloud.is_elsewhere() { 404 } else { 410 };
    assert_eq!(state(&at.put("bytes */*", b"").await).0, gone);
    assert_eq!(state(&at.client.delete(&at.url).send().await.unwrap()).0, gone);
    assert_eq!(at.cloud.sessions(), []);
}

#[tokio::test]
async fn name_conflict_is_checked_only_at_the_end() {
    let at = session().await;
    let start = format!(
        "{}/upload/storage/v1/b/{}/o?uploadType=resumable&name=one&ifGenerationMatch=0",
        at.cloud.endpoint(),
        at.cloud.bucket()
    );
    let started = at.client.post(&start).send().await.unwrap();
    let url = started.headers()["location"].to_str().unwrap().to_owned();
    at.cloud.put("one", &b"first"[..]);
    assert_eq!(at.client.put(url).body("sound").send().await.unwrap().status(), 412);
    assert_eq!(at.client.post(&start).send().await.unwrap().status(), 200);
    assert_eq!(at.cloud.bytes("one").unwrap(), &b"first"[..]);
}

#[tokio::test]
async fn checksum_can_be_sent_with_the_last_bytes() {
    let at = session().await;
    let request = at.client.put(&at.url).header("x-goog-hash", "crc32c=AAAAAA==").body("sound");
    let refused = if at.cloud.is_elsewhere() { 412 } else { 400 };
    assert_eq!(request.send().await.unwrap().status(), refused);
    assert!(at.cloud.names().is_empty() && at.cloud.sessions().is_empty());
}

#[tokio::test]
async fn whole_quanta_of_an_interrupted_request_are_kept() {
    let at = session().await;
    let bytes = sound(3 * QUANTUM);
    at.cloud.order(Op::Chunk, Fault::CutAfter(QUANTUM as u64 + 77), 1);
    let request = at.client.put(&at.url).header("content-range", format!("bytes 0-{}/*", bytes.len() - 1));
    assert!(request.body(bytes).send().await.is_err());
    assert_eq!(state(&at.put("bytes */*", b"").await), (308, Some("bytes=0-262143")));
}
