//! Writing and reading back.

use futures_util::{FutureExt, StreamExt};
use testkit::memory::describe;

use super::*;

#[tokio::test]
async fn written_blob_is_read_from_start_and_from_offset() {
    let at = fixture();
    for (index, length) in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE].into_iter().enumerate() {
        let (name, bytes) = (blob("u", 1, index), pattern(length));
        let stored = at.put(&name, bytes.clone()).await.unwrap();
        assert_eq!(stored, describe(&bytes));
        assert_eq!(at.get(&name, 0).await, bytes);
        assert_eq!(at.get(&name, length as u64 / 2).await, bytes[length / 2..]);
        assert_eq!(at.get(&name, length as u64 + 9).await, b"");
    }
    assert_eq!(at.entries("tmp"), [""; 0]);
}

#[tokio::test]
async fn many_small_pieces_become_one_blob() {
    let (at, name, bytes) = (fixture(), blob("u", 1, 0), pattern(3 * PIECE + 7));
    let mut writer = at.blobs.create(&name).await.unwrap();
    for piece in bytes.chunks(10_007) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(at.entries("uploads"), [""; 0], "nothing is seen before it is whole");
    assert_eq!(writer.finish().await.unwrap(), describe(&bytes));
    assert_eq!(at.get(&name, 0).await, bytes);
}

#[tokio::test]
async fn repeated_write_succeeds_only_with_same_bytes() {
    let (at, name) = (fixture(), blob("u", 1, 0));
    let first = at.put(&name, "one").await.unwrap();
    assert_eq!(at.put(&name, "one").await.unwrap(), first);
    for other in ["two", "longer"] {
        assert_eq!(at.put(&name, other).await.unwrap_err().kind, Kind::Conflict);
    }
    assert_eq!(at.get(&name, 0).await, b"one");
    assert_eq!(at.entries("tmp"), [""; 0]);
}

#[tokio::test]
async fn different_bytes_of_same_size_and_crc_are_a_conflict() {
    // They differ by the polynomial of CRC-32C.
    let (one, other) = ([0; 5], [0xF1, 0x76, 0xEC, 0x05, 0x01]);
    assert_eq!(crc32c::crc32c(&one), crc32c::crc32c(&other));
    let (at, name) = (fixture(), blob("u", 1, 0));
    at.put(&name, one.to_vec()).await.unwrap();
    assert_eq!(at.put(&name, other.to_vec()).await.unwrap_err().kind, Kind::Conflict);
}

#[test]
fn dropped_or_aborted_writer_leaves_nothing() {
    let at = fixture();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut writers = Vec::new();
        for index in 0..2 {
            let mut writer = at.blobs.create(&blob("u", 1, index)).await.unwrap();
            writer.write(pattern(2 * PIECE).into()).await.unwrap();
            writers.push(writer);
        }
        assert_eq!(at.entries("tmp").len(), 2);
        writers.pop().unwrap().abort().await;
        assert_eq!(at.entries("tmp").len(), 1);
    });
    // Returns when the threads that removed the other file have ended.
    drop(runtime);
    assert_eq!((at.entries("tmp"), at.entries("uploads")), (vec![], vec![]));
}

#[test]
fn cancelled_write_never_leaves_a_partial_blob() {
    let (at, name) = (fixture(), blob("u", 1, 0));
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let mut writer = at.blobs.create(&name).await.unwrap();
        // The only blocking thread is busy, so the write cannot be done when it is cancelled.
        let (release, released) = std::sync::mpsc::channel::<()>();
        let taken = tokio::task::spawn_blocking(move || released.recv());
        assert!(writer.write(pattern(2 * PIECE).into()).now_or_never().is_none());
        drop(release);
        let _ = taken.await;
        assert_eq!(writer.finish().await.unwrap_err().kind, Kind::Unavailable);
        assert_eq!(at.blobs.read(&name, 0).await.err().unwrap().kind, Kind::NotFound);
    });
    drop(runtime);
    assert_eq!(at.entries("tmp"), [""; 0]);
}

#[tokio::test]
async fn disk_reserve_is_kept() {
    let at = with_reserve(u64::MAX);
    assert_eq!(at.blobs.create(&blob("u", 1, 0)).await.err().unwrap().kind, Kind::Full);
    assert_eq!(at.blobs.ready().await.unwrap_err().kind, Kind::Full);
    assert!(fixture().blobs.ready().await.is_ok());
}

#[test]
fn reserve_is_checked_again_while_blob_grows() {
    let at = fixture();
    let mut file = at.blobs.shared.temporary_files.file().unwrap();
    // 16 MiB.
    let asked = (0..64).filter(|_| {
        file.write(&[0; 256 * 1024]).unwrap();
        file.is_space_check_due()
    });
    assert_eq!(asked.count(), 2);
}

#[tokio::test]
async fn missing_blob_is_not_found() {
    let at = fixture();
    at.put(&blob("u", 1, 0), "x").await.unwrap();
    for name in [blob("u", 1, 1), blob("v", 1, 0), BlobName::listed("uploads/u/j/f".to_owned())] {
        assert_eq!(at.blobs.read(&name, 0).await.err().unwrap().kind, Kind::NotFound);
    }
}

#[tokio::test]
async fn blob_truncated_during_read_is_corrupt() {
    let (at, name) = (fixture(), blob("u", 1, 0));
    at.put(&name, pattern(2 * PIECE)).await.unwrap();
    let mut stream = at.blobs.read(&name, 0).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().len(), PIECE);
    fs::OpenOptions::new().write(true).open(at.folder.path().join(name.as_str())).unwrap().set_len(9).unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap_err().kind, Kind::Corrupt);
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn start_removes_interrupted_writes() {
    let at = fixture();
    at.put(&blob("u", 1, 0), "kept").await.unwrap();
    fs::write(at.folder.path().join("tmp/0"), "half").unwrap();
    fs::create_dir_all(at.folder.path().join("uploads/gone/empty")).unwrap();
    let again = DiskBlobs::open(at.folder.path(), 0, at.clock.clone()).unwrap();
    assert_eq!(again.sweep_temporary().unwrap(), 1);
    assert_eq!((at.entries("tmp"), at.entries("uploads")), (vec![], vec!["u".to_owned()]));
    assert_eq!(at.get(&blob("u", 1, 0), 0).await, b"kept");
}

#[tokio::test]
async fn leftover_temporary_file_does_not_block_writes() {
    let at = fixture();
    fs::write(at.folder.path().join("tmp/0"), "half").unwrap();
    at.put(&blob("u", 1, 0), "whole").await.unwrap();
    assert_eq!(at.get(&blob("u", 1, 0), 0).await, b"whole");
}
