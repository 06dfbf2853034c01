//! A blob of any length takes a bounded piece of memory.

use std::process::Command;

use peak_alloc::PeakAlloc;

use super::*;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What the port allows for a request on Google Cloud.
const LIMIT: usize = 2 * MIB;
/// What the stand-in takes in this same process while it reads a chunk: a quantum, and its connection's buffers.
const STAND_IN: usize = MIB;
const LENGTH: usize = 64 * MIB;
const ALONE: &str = "AFTERWORD_ALONE";

/// The heap is the whole process's: it is measured in one of its own.
#[test]
fn a_large_blob_is_written_in_bounded_memory() {
    let test = "storage::tests::memory::a_large_blob_is_written_in_bounded_memory";
    if std::env::var_os(ALONE).is_none() {
        let alone = Command::new(std::env::current_exe().unwrap()).args(["--exact", test]).env(ALONE, "1").output();
        let output = alone.unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let at = fixture().await;
    at.cloud.keep_no_bytes();
    let piece = Bytes::from(sound(64 * 1024));
    // The first blob makes the clients and the connections.
    let warm = write(&at, 0, &piece, 4 * MIB).await;
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let stored = write(&at, 1, &piece, LENGTH).await;
    let grown = HEAP.peak_usage().saturating_sub(before);
    assert_eq!((warm.size, stored.size), (4 * MIB as u64, LENGTH as u64));
    println!("the heap grew by {} KiB", grown / 1024);
    assert!(grown <= LIMIT + STAND_IN, "the heap grew by {grown} bytes");
}

async fn write(at: &Fixture, n: usize, piece: &Bytes, length: usize) -> Stored {
    let mut writer = at.blobs.create(&blob(&uid("ann"), job_id(1), n)).await.unwrap();
    for _ in 0..length / piece.len() {
        writer.write(piece.clone()).await.unwrap();
    }
    writer.finish().await.unwrap()
}
