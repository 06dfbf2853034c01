//! What Google refuses and the resulting errors, which are the same for JSON REST and for gRPC.

use emulators::storage::{Fault, Op};
use flow::Kind;
use flow::ports::{Clock as _, Expected, Uploads as _};
use testkit::skip;

use super::*;

const EXPECTED: Expected = Expected { size: 5, crc32c: None };

/// Every operation once, with the kind of its first request.
async fn every(at: &Fixture) -> Vec<(Op, Error)> {
    let mut large = at.blobs.create(&name()).await.unwrap();
    vec![
        (Op::Insert, at.write(b"sound").await.unwrap_err()),
        (Op::Start, large.write(sound(2 * MIB).into()).await.unwrap_err()),
        (Op::Start, at.uploads.start(&name(), EXPECTED).await.unwrap_err()),
        (Op::Start, at.blobs.ready().await.unwrap_err()),
        (Op::Read, at.read(0).await.unwrap_err()),
        (Op::List, at.blobs.list("uploads/", None, 1).await.unwrap_err()),
        (Op::Delete, at.blobs.delete(&name()).await.unwrap_err()),
    ]
}

async fn with_fault(fault: Fault) -> Fixture {
    let at = fixture().await;
    for op in [Op::Insert, Op::Start, Op::Read, Op::List, Op::Delete] {
        at.cloud.order(op, fault, 100);
    }
    at
}

use flow::Error;

#[tokio::test]
async fn missing_permission_is_misconfigured_and_not_retried() {
    for status in [401, 403] {
        let at = with_fault(Fault::Status(status)).await;
        for (op, error) in every(&at).await {
            assert_eq!(error.kind, Kind::Misconfigured, "{op:?}: {error}");
            assert!(error.to_string().contains(&format!("bucket `{}`", at.cloud.bucket())), "{op:?}: {error}");
        }
        assert_eq!(at.cloud.seen().len(), 7, "nothing was tried again");
    }
}

#[tokio::test]
async fn missing_bucket_is_misconfigured_and_named() {
    let cloud = CloudStorage::start("another").await;
    if cloud.is_elsewhere() {
        skip!("a bucket that is missing is told from an object by Google's words, and another service has its own");
    }
    let (storage, clock) = storage(Settings { bucket: "missing".to_owned(), ..settings(&cloud) });
    let (blobs, uploads) = (GcsBlobs::new(storage.clone()), GcsUploads::new(storage.clone()));
    let at = Fixture { cloud, storage, blobs, uploads, clock };
    for (op, error) in every(&at).await {
        assert_eq!(error.kind, Kind::Misconfigured, "{op:?}: {error}");
        assert!(error.to_string().contains("there is no bucket `missing`"), "{op:?}: {error}");
    }
}

#[tokio::test]
async fn throttled_request_reports_retry_after() {
    let at = with_fault(Fault::RetryAfter(429, 30)).await;
    for (op, error) in every(&at).await {
        assert_eq!(
            (error.kind, error.retry_after),
            (Kind::Throttled, Some(Duration::from_secs(30))),
            "{op:?}: {error}"
        );
    }
    assert_eq!(at.cloud.seen().len(), 7, "a wish beyond our patience is passed on at once");
}

#[tokio::test]
async fn short_retry_after_is_waited_for() {
    let at = fixture().await;
    let before = at.clock.now();
    at.cloud.order(Op::Insert, Fault::RetryAfter(429, 3), 2);
    at.write(b"sound").await.unwrap();
    let waited = before.until(at.clock.now());
    assert_eq!(waited, Duration::from_secs(6));
}

#[tokio::test]
async fn doctor_tries_every_permission_and_leaves_nothing() {
    let at = fixture().await;
    assert!(permissions(&at.storage).await.iter().all(|permission| permission.outcome.is_ok()));
    assert_eq!((at.cloud.names(), at.cloud.sessions()), (vec![], vec![]));
    for op in [Op::Start, Op::Get, Op::List, Op::Delete] {
        at.cloud.order(op, Fault::Status(403), 1);
        let tried = permissions(&at.storage).await;
        let missing: Vec<_> = tried.iter().filter(|permission| permission.outcome.is_err()).collect();
        assert_eq!(missing.len(), 1, "{op:?}: {tried:?}");
        assert_eq!(missing[0].outcome.as_ref().unwrap_err().kind, Kind::Misconfigured);
    }
}

#[tokio::test]
async fn readiness_check_writes_no_object() {
    let at = fixture().await;
    at.blobs.ready().await.unwrap();
    assert_eq!((at.cloud.names(), at.cloud.sessions(), at.cloud.count(Op::Start)), (vec![], vec![], 1));
}
