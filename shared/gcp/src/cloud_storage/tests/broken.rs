//! Writes that are interrupted: they are resumed, or end without leaving anything, and no bytes count
//! twice.

use emulators::storage::{Fault, Op};
use flow::Kind;
use testkit::memory::describe;
use testkit::skip;

use super::*;

/// The granularity in which Google keeps the bytes of an interrupted request.
const QUANTUM: usize = 256 * 1024;

#[tokio::test]
async fn interrupted_chunk_resumes_at_stored_offset() {
    for fault in [Fault::StatusAfter(300_000, 503), Fault::CutAfter(300_000), Fault::Cut, Fault::LoseAnswer] {
        let at = fixture().await;
        let bytes = sound(3 * MIB + 77);
        let mut writer = at.blobs.create(&name()).await.unwrap();
        writer.write(bytes[..MIB + 1].to_vec().into()).await.unwrap();
        at.cloud.order(Op::Chunk, fault, 2);
        writer.write(bytes[MIB + 1..].to_vec().into()).await.unwrap();
        assert_eq!(writer.finish().await.unwrap(), describe(&bytes), "{fault:?}");
        assert!(at.stored().unwrap() == bytes, "{fault:?}");
        assert_eq!((at.cloud.pending_faults(), at.cloud.count(Op::Start)), (0, 1), "{fault:?}");
        assert!(at.cloud.count(Op::Query) >= 1, "{fault:?}");
    }
}

#[tokio::test]
async fn interruption_within_quantum_loses_no_bytes() {
    let at = fixture().await;
    let bytes = sound(MIB + 3 * QUANTUM + 11);
    at.cloud.order(Op::Chunk, Fault::CutAfter(2 * QUANTUM as u64 + 5), 1);
    at.cloud.order(Op::Chunk, Fault::StatusAfter(QUANTUM as u64 + 5, 503), 2);
    assert_eq!(at.write(&bytes).await.unwrap(), describe(&bytes));
    assert!(at.stored().unwrap() == bytes);
}

#[tokio::test]
async fn last_chunk_with_lost_answer_succeeds() {
    let at = fixture().await;
    let bytes = sound(MIB + 5);
    let mut writer = at.blobs.create(&name()).await.unwrap();
    writer.write(bytes.clone().into()).await.unwrap();
    at.cloud.order(Op::Chunk, Fault::LoseAnswer, 1);
    assert_eq!(writer.finish().await.unwrap(), describe(&bytes));
    assert_eq!((at.cloud.count(Op::Chunk), at.cloud.count(Op::Query)), (2, 1));
    assert!(at.stored().unwrap() == bytes);
}

#[tokio::test]
async fn small_blob_with_lost_answer_succeeds() {
    let at = fixture().await;
    at.cloud.order(Op::Insert, Fault::LoseAnswer, 1);
    assert_eq!(at.write(b"sound").await.unwrap(), describe(b"sound"));
    assert_eq!((at.cloud.count(Op::Insert), at.cloud.count(Op::Get)), (2, 1));
}

#[tokio::test]
async fn unknown_outcome_is_reported_and_resolved_by_repeating_the_write() {
    for bytes in [sound(10), sound(2 * MIB)] {
        let at = fixture().await;
        let mut writer = at.blobs.create(&name()).await.unwrap();
        writer.write(bytes.clone().into()).await.unwrap();
        let op = if bytes.len() > MIB { Op::Chunk } else { Op::Insert };
        at.cloud.order(op, Fault::LoseAnswer, 1);
        for rest in [Op::Chunk, Op::Insert, Op::Query] {
            at.cloud.order(rest, Fault::Status(503), 20);
        }
        assert_eq!(writer.finish().await.unwrap_err().kind, Kind::Unknown);
        assert!(at.stored().unwrap() == bytes, "it was done");
        let again = fixture_of(&at).write(&bytes).await;
        assert_eq!(again.unwrap(), describe(&bytes));
    }
}

/// The same service after it has recovered, with a new client.
fn fixture_of(at: &Fixture) -> Recovered<'_> {
    at.cloud.heal();
    Recovered(at)
}

struct Recovered<'a>(&'a Fixture);

impl Recovered<'_> {
    async fn write(&self, bytes: &[u8]) -> Result<StoredBlob> {
        let (storage, _) = storage(settings(&self.0.cloud));
        let mut writer = GcsBlobs::new(storage).create(&name()).await?;
        writer.write(bytes.to_vec().into()).await?;
        writer.finish().await
    }
}

#[tokio::test]
async fn write_fails_without_leftovers_while_service_is_unavailable() {
    let at = fixture().await;
    at.cloud.order(Op::Chunk, Fault::Status(503), 20);
    let error = at.write(&sound(3 * MIB)).await.unwrap_err();
    assert_eq!((error.kind, error.operation), (Kind::Unavailable, "blobs.write"));
    at.cloud.until_answered(Op::Cancel, 1).await;
    assert_eq!((at.cloud.sessions(), at.cloud.names()), (vec![], vec![]));
    assert_eq!(at.cloud.count(Op::Chunk), 5, "there is a bound");
}

#[tokio::test]
async fn write_fails_when_its_session_is_lost() {
    let at = fixture().await;
    let mut writer = at.blobs.create(&name()).await.unwrap();
    writer.write(sound(MIB + 1).into()).await.unwrap();
    at.cloud.order(Op::Chunk, Fault::Status(410), 1);
    let error = writer.finish().await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    assert_eq!(at.stored(), None);
}

#[tokio::test]
async fn object_with_wrong_bytes_is_detected_and_removed() {
    for (bytes, op) in [(sound(10), Op::Insert), (sound(MIB + 10), Op::Chunk)] {
        let at = fixture().await;
        if at.cloud.is_elsewhere() {
            skip!("another service cannot be made to store other bytes than it was sent");
        }
        let mut writer = at.blobs.create(&name()).await.unwrap();
        writer.write(bytes.into()).await.unwrap();
        at.cloud.order(op, Fault::StoreWrong, 1);
        assert_eq!(writer.finish().await.unwrap_err().kind, Kind::Corrupt);
        assert_eq!(at.stored(), None);
    }
}

#[tokio::test]
async fn unanswered_write_ends_within_time_limit() {
    let at = fixture_with(impatient()).await;
    at.cloud.order(Op::Insert, Fault::Stall, 20);
    let error = at.write(b"sound").await.unwrap_err();
    assert_eq!(error.kind, Kind::Unknown);
    assert!(error.to_string().contains("no answer within 0.2 s"), "{error}");
    // On a busy machine a try may end before the service has counted it.
    assert!((2..=3).contains(&at.cloud.count(Op::Insert)), "{} tries", at.cloud.count(Op::Insert));
    assert_eq!(at.stored(), None);
}

#[tokio::test]
async fn all_tries_share_one_deadline() {
    let CallPolicy { attempt, retry } = impatient();
    let retry = RetryPolicy { tries: 100, total: Duration::from_millis(500), ..retry };
    let at = fixture_with(CallPolicy { attempt, retry }).await;
    at.cloud.order(Op::Insert, Fault::Stall, 200);
    let error = at.write(b"sound").await.unwrap_err();
    assert_eq!(error.kind, Kind::Unknown);
    assert!(error.to_string().contains("no answer within") && at.cloud.count(Op::Insert) <= 3, "{error}");
}
