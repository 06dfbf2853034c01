//! Reads that break off, return wrong bytes or stall.

use emulators::storage::{Fault, Op};
use flow::Kind;

use super::*;

async fn with_sound() -> (Fixture, Vec<u8>) {
    with_sound_and(policy()).await
}

async fn with_sound_and(policy: CallPolicy) -> (Fixture, Vec<u8>) {
    let at = fixture_with(policy).await;
    let bytes = sound(900_001);
    at.cloud.put(name().as_str(), bytes.clone());
    (at, bytes)
}

#[tokio::test]
async fn interrupted_read_resumes() {
    let (at, bytes) = with_sound().await;
    at.cloud.order(Op::Read, Fault::Truncate(300_000), 1);
    at.cloud.order(Op::Read, Fault::Truncate(1), 1);
    assert!(at.read(0).await.unwrap() == bytes);
    assert_eq!((at.cloud.count(Op::Read), at.cloud.pending_faults()), (3, 0));
    at.cloud.order(Op::Read, Fault::Truncate(10), 1);
    assert!(at.read(5).await.unwrap() == bytes[5..]);
}

#[tokio::test]
async fn long_read_may_be_interrupted_often_if_it_makes_progress() {
    let (at, bytes) = (fixture().await, sound(40 * MIB));
    at.cloud.put(name().as_str(), bytes.clone());
    at.cloud.order(Op::Read, Fault::Truncate(5 * MIB as u64), 7);
    assert!(at.read(0).await.unwrap() == bytes);
    assert_eq!(at.cloud.count(Op::Read), 8);
    at.cloud.order(Op::Read, Fault::Truncate(3 * MIB as u64), 7);
    assert!(at.read(0).await.is_err());
}

#[tokio::test]
async fn read_that_is_always_interrupted_fails() {
    let (at, _) = with_sound().await;
    at.cloud.order(Op::Read, Fault::Truncate(1000), 100);
    let error = at.read(0).await.unwrap_err();
    assert_eq!((error.kind, error.operation), (Kind::Unavailable, "blobs.read"));
    assert_eq!(at.cloud.count(Op::Read), 5);
}

#[tokio::test]
async fn bytes_other_than_written_are_corrupt() {
    let (at, bytes) = with_sound().await;
    at.cloud.order(Op::Read, Fault::WrongBytes, 1);
    assert_eq!(at.read(0).await.unwrap_err().kind, Kind::Corrupt);
    assert!(at.read(0).await.unwrap() == bytes);
}

#[tokio::test]
async fn checksum_is_verified_across_interruption() {
    let (at, _) = with_sound().await;
    at.cloud.order(Op::Read, Fault::Truncate(300_000), 1);
    at.cloud.order(Op::Read, Fault::WrongBytes, 1);
    assert_eq!(at.read(0).await.unwrap_err().kind, Kind::Corrupt);
}

#[tokio::test]
async fn resumed_read_never_returns_bytes_of_another_blob() {
    let (at, bytes) = with_sound().await;
    at.cloud.order(Op::Read, Fault::Truncate(300_000), 1);
    let mut pieces = at.blobs.read(&name(), 0).await.unwrap();
    at.cloud.put(name().as_str(), sound(900_001).into_iter().rev().collect::<Vec<u8>>());
    let mut came = Vec::new();
    let error = loop {
        match pieces.try_next().await {
            Ok(Some(piece)) => came.extend_from_slice(&piece),
            // Google's testbench keeps overwritten objects, and returns them on request.
            Ok(None) if at.cloud.is_elsewhere() => return assert!(came == bytes),
            Ok(None) => panic!("it ended well"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, Kind::NotFound);
    assert!(bytes.starts_with(&came));
}

#[tokio::test]
async fn stalled_read_is_requested_again() {
    let (at, bytes) = with_sound_and(impatient()).await;
    at.cloud.order(Op::Read, Fault::Stall, 2);
    assert!(at.read(0).await.unwrap() == bytes);
    at.cloud.order(Op::Read, Fault::Stall, 3);
    let error = at.read(0).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.to_string().contains("no answer within"), "{error}");
}

#[tokio::test]
async fn a_small_blob_is_one_request() {
    let at = fixture().await;
    at.cloud.put(name().as_str(), &b"sound"[..]);
    assert_eq!(at.read(0).await.unwrap(), b"sound");
    assert_eq!(at.cloud.seen().len(), 1);
}
