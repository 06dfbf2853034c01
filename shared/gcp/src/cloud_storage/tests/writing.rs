//! What a write sends, and what it leaves behind.

use emulators::storage::Op;
use flow::Kind;
use testkit::memory::describe;

use super::*;

#[tokio::test]
async fn small_blob_is_one_request_with_its_checksum() {
    let at = fixture().await;
    let stored = at.write(b"some sound").await.unwrap();
    assert_eq!(stored, describe(b"some sound"));
    let name = name();
    assert_eq!(at.cloud.metadata(name.as_str(), "sha256"), Some(stored.sha256.to_string()));
    assert!(at.cloud.is_checked(name.as_str()));
    assert_eq!(at.cloud.seen().iter().map(|seen| seen.op).collect::<Vec<_>>(), [Op::Insert]);
}

#[tokio::test]
async fn large_blob_is_a_session_of_chunks() {
    let at = fixture().await;
    let bytes = sound(3 * MIB);
    assert_eq!(at.write(&bytes).await.unwrap(), describe(&bytes));
    assert!(at.stored().unwrap() == bytes);
    assert_eq!(
        at.cloud.seen().iter().map(|seen| seen.op).collect::<Vec<_>>(),
        [Op::Start, Op::Chunk, Op::Chunk, Op::Chunk]
    );
    assert_eq!(at.cloud.sessions(), []);
    assert!(at.cloud.is_checked(name().as_str()));
}

#[tokio::test]
async fn blobs_of_about_one_chunk_arrive_complete() {
    for size in [MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 1] {
        let at = fixture().await;
        let bytes = sound(size);
        assert_eq!(at.write(&bytes).await.unwrap(), describe(&bytes), "{size}");
        assert!(at.stored().unwrap() == bytes, "{size}");
    }
}

#[tokio::test]
async fn aborted_write_cancels_its_session() {
    let at = fixture().await;
    let mut writer = at.blobs.create(&name()).await.unwrap();
    writer.write(sound(2 * MIB).into()).await.unwrap();
    assert_eq!(at.cloud.sessions().len(), 1);
    writer.abort().await;
    assert_eq!((at.cloud.sessions(), at.cloud.names()), (vec![], vec![]));
}

#[tokio::test]
async fn dropped_writer_cancels_its_session() {
    let at = fixture().await;
    let mut writer = at.blobs.create(&name()).await.unwrap();
    writer.write(sound(2 * MIB).into()).await.unwrap();
    drop(writer);
    at.cloud.until_answered(Op::Cancel, 1).await;
    assert_eq!((at.cloud.sessions(), at.cloud.names()), (vec![], vec![]));
}

#[tokio::test]
async fn repeated_large_blob_succeeds_and_different_one_is_a_conflict() {
    let at = fixture().await;
    let (bytes, mut other) = (sound(2 * MIB + 5), sound(2 * MIB + 5));
    other[MIB] ^= 1;
    let first = at.write(&bytes).await.unwrap();
    assert_eq!(at.write(&bytes).await.unwrap(), first);
    assert_eq!(at.write(&other).await.unwrap_err().kind, Kind::Conflict);
    assert!(at.stored().unwrap() == bytes);
}

#[tokio::test]
async fn name_taken_during_write_is_a_conflict() {
    let at = fixture().await;
    let mut writer = at.blobs.create(&name()).await.unwrap();
    writer.write(sound(2 * MIB).into()).await.unwrap();
    at.cloud.put(name().as_str(), &b"somebody else's"[..]);
    assert_eq!(writer.finish().await.unwrap_err().kind, Kind::Conflict);
    assert_eq!(at.stored().unwrap(), &b"somebody else's"[..]);
}

#[tokio::test]
async fn cancelled_write_is_never_finished() {
    let at = fixture().await;
    let mut writer = at.blobs.create(&name()).await.unwrap();
    at.cloud.order(Op::Chunk, emulators::storage::Fault::Stall, 1);
    tokio::select! {
        _ = writer.write(sound(2 * MIB).into()) => panic!("it was to stall"),
        () = at.cloud.until_stalled() => {}
    }
    assert_eq!(writer.write(sound(5).into()).await.err().map(|e| e.kind), None, "it fits beside what waits");
    assert_eq!(writer.finish().await.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(at.stored(), None);
}
