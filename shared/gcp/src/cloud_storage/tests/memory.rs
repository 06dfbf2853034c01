//! A blob of any length takes a bounded amount of memory.

use peak_alloc::PeakAlloc;

use super::*;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What a request may take on Google Cloud. It includes the buffers of the fake in this process.
const LIMIT: usize = 2 * MIB;
const LENGTH: usize = 64 * MIB;

/// The heap belongs to the whole process, so it is measured in a process of its own.
#[test]
fn a_large_blob_is_written_in_bounded_memory() {
    let test = "cloud_storage::tests::memory::a_large_blob_is_written_in_bounded_memory";
    if !is_alone() {
        assert_eq!(run_alone(&["--exact", test], &[]), 1);
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let at = at(CloudStorage::alone(BUCKET).await, policy());
    at.cloud.keep_no_bytes();
    let piece = Bytes::from(sound(64 * 1024));
    // The first blob creates the clients and the connections.
    let warm = write(&at, 0, &piece, 4 * MIB).await;
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let stored = write(&at, 1, &piece, LENGTH).await;
    let grown = HEAP.peak_usage().saturating_sub(before);
    assert_eq!((warm.size, stored.size), (4 * MIB as u64, LENGTH as u64));
    println!("the heap grew by {} KiB", grown / 1024);
    assert!(grown <= LIMIT, "the heap grew by {grown} bytes");
}

async fn write(at: &Fixture, n: usize, piece: &Bytes, length: usize) -> StoredBlob {
    let mut writer = at.blobs.create(&blob(&uid("ann"), job_id(1), n)).await.unwrap();
    for _ in 0..length / piece.len() {
        writer.write(piece.clone()).await.unwrap();
    }
    writer.finish().await.unwrap()
}
