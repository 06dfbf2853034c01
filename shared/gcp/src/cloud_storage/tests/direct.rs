//! Upload sessions: what is sent to Google, and what is never shown.

use emulators::storage::{Fault, Op};
use flow::Kind;
use flow::ports::{Expected, Progress, Uploads as _};
use google_cloud_auth::credentials::{CacheableResource, CredentialsProvider, EntityTag};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap};

use super::*;

fn expected() -> Expected {
    Expected { size: 5, crc32c: Some(crc32c::crc32c(b"sound")) }
}

#[derive(Debug)]
struct Token;

impl CredentialsProvider for Token {
    async fn headers(&self, _: Extensions) -> std::result::Result<CacheableResource<HeaderMap>, CredentialsError> {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer secret".parse().unwrap());
        Ok(CacheableResource::New { entity_tag: EntityTag::new(), data: headers })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

#[tokio::test]
async fn only_session_start_carries_credentials() {
    let at = fixture().await;
    let storage = Storage::new(settings(&at.cloud), at.clock.clone(), Arc::new(SeededRandom::new(1)));
    let uploads = GcsUploads::new(Arc::new(storage.with_credentials(Token.into())));
    let url = uploads.start(&name(), expected()).await.unwrap();
    assert_eq!(uploads.progress(&name(), &url, expected()).await.unwrap(), Progress::Open { offset: 0 });
    uploads.abandon(&name(), Some(&url)).await.unwrap();
    let seen: Vec<_> = at.cloud.seen().into_iter().map(|seen| (seen.op, seen.authorized)).collect();
    assert_eq!(seen, [(Op::Start, true), (Op::Query, false), (Op::Cancel, false)]);
}

#[tokio::test]
async fn size_other_than_announced_is_refused() {
    let at = fixture().await;
    let url = at.uploads.start(&name(), Expected { crc32c: None, ..expected() }).await.unwrap();
    let client = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
    let send = |range, bytes| client.put(url.expose()).header("content-range", range).body(bytes).send();
    assert_eq!(send("bytes 0-5/6", "sounds").await.unwrap().status(), 400);
    assert_eq!(send("bytes 0-3/4", "soun").await.unwrap().status(), 400);
    assert_eq!(send("bytes 0-4/5", "sound").await.unwrap().status(), 200);
}

#[tokio::test]
async fn forgotten_session_is_recognised_by_its_blob() {
    let at = fixture().await;
    let url = at.uploads.start(&name(), expected()).await.unwrap();
    at.cloud.order(Op::Query, Fault::Status(410), 2);
    assert_eq!(at.uploads.progress(&name(), &url, expected()).await.unwrap(), Progress::Gone);
    for other in ["noise", "a longer sound"] {
        at.cloud.put(name().as_str(), other.as_bytes());
        assert_eq!(at.uploads.progress(&name(), &url, expected()).await.unwrap(), Progress::Gone);
        assert!(at.cloud.names().is_empty(), "{other:?} is no longer in the way of a new session");
        at.cloud.order(Op::Query, Fault::Status(410), 1);
    }
    at.cloud.put(name().as_str(), &b"sound"[..]);
    let whole = Progress::Whole { size: 5, crc32c: crc32c::crc32c(b"sound") };
    assert_eq!(at.uploads.progress(&name(), &url, expected()).await.unwrap(), whole);
}

#[tokio::test]
async fn session_with_more_bytes_than_announced_or_cancelled_is_gone() {
    let at = fixture().await;
    let long = Expected { size: 2 * MIB as u64, crc32c: None };
    let url = at.uploads.start(&name(), long).await.unwrap();
    let client = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
    let range = format!("bytes 0-{}/{}", MIB - 1, 2 * MIB);
    let sent = client.put(url.expose()).header("content-range", range).body(sound(MIB)).send().await.unwrap();
    assert_eq!(sent.status(), 308);
    assert_eq!(at.uploads.progress(&name(), &url, long).await.unwrap(), Progress::Open { offset: MIB as u64 });
    let short = Expected { size: 100, crc32c: None };
    assert_eq!(at.uploads.progress(&name(), &url, short).await.unwrap(), Progress::Gone);
    at.cloud.order(Op::Query, Fault::Status(499), 1);
    assert_eq!(at.uploads.progress(&name(), &url, long).await.unwrap(), Progress::Gone);
}

/// Google was seen to check the name only when the object is created; if it checks earlier, that is no
/// error.
#[tokio::test]
async fn session_start_for_taken_name_is_a_conflict() {
    let at = fixture().await;
    at.cloud.order(Op::Start, Fault::Status(412), 2);
    assert_eq!(at.uploads.start(&name(), expected()).await.unwrap_err().kind, Kind::Conflict);
    let bytes = sound(2 * MIB);
    at.cloud.put(name().as_str(), bytes.clone());
    assert_eq!(at.write(&bytes).await.unwrap(), testkit::memory::describe(&bytes));
    assert_eq!((at.cloud.pending_faults(), at.cloud.count(Op::Chunk)), (0, 0), "no byte was sent");
}

#[tokio::test]
async fn file_is_whole_when_its_object_exists_and_not_when_its_session_says_so() {
    let at = fixture().await;
    let url = at.uploads.start(&name(), Expected { crc32c: None, ..expected() }).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.put(url.expose()).body("noise").send().await.unwrap().status(), 200);
    let noise = Progress::Whole { size: 5, crc32c: crc32c::crc32c(b"noise") };
    let unchecked = Expected { crc32c: None, ..expected() };
    assert_eq!(at.uploads.progress(&name(), &url, unchecked).await.unwrap(), noise);
    assert_eq!(at.uploads.progress(&name(), &url, expected()).await.unwrap(), Progress::Gone);
    assert_eq!(at.uploads.progress(&name(), &url, unchecked).await.unwrap(), Progress::Gone);
}

#[tokio::test]
async fn session_address_is_in_no_error() {
    let at = fixture_with(impatient()).await;
    let url = at.uploads.start(&name(), expected()).await.unwrap();
    for fault in [Fault::Cut, Fault::Status(503), Fault::Stall] {
        at.cloud.order(Op::Query, fault, 3);
        at.cloud.order(Op::Cancel, fault, 3);
        let asked = at.uploads.progress(&name(), &url, expected()).await.unwrap_err();
        let abandoned = at.uploads.abandon(&name(), Some(&url)).await.unwrap_err();
        for error in [asked, abandoned] {
            assert!(error.may_pass(), "{error}");
            assert!(!format!("{error} {error:?}").contains("upload_id"), "{error:?}");
        }
    }
    let Fixture { cloud, uploads, .. } = at;
    drop(cloud);
    let error = uploads.progress(&name(), &url, expected()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(!format!("{error} {error:?}").contains("upload_id"), "{error:?}");
}

#[tokio::test]
async fn listing_sessions_is_empty_and_sends_no_request() {
    let at = fixture().await;
    at.uploads.start(&name(), expected()).await.unwrap();
    assert_eq!(at.uploads.list(None, 10).await.unwrap(), []);
    at.uploads.room().await.unwrap();
    at.uploads.abandon(&name(), None).await.unwrap();
    assert_eq!(at.cloud.seen().len(), 1);
}
