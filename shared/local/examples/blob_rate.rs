//! Measures how many small blobs a second this disk stores durably, and how fast a large one streams.
//!
//! `cargo run --release -p local --example blob_rate [FOLDER]`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use domain::{JobId, Uid};
use flow::ports::{BlobName, Blobs};
use futures_util::stream;
use futures_util::{StreamExt, TryStreamExt};
use local::blobs::DiskBlobs;
use system::SystemClock;
use uuid::Uuid;

const SMALL: usize = 16 * 1024;
const PIECE: usize = 64 * 1024;
/// Pieces of a large blob: 256 MiB.
const PIECES: usize = 4096;
/// Blobs of one job, as a device uploads them.
const IN_A_JOB: usize = 4;

#[tokio::main]
async fn main() {
    let place = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = tempfile::tempdir_in(place).expect("the folder can be written");
    let blobs = DiskBlobs::open(folder.path(), 0, Arc::new(SystemClock)).expect("the folder can be opened");
    for (run, (in_flight, count)) in [(1, 2_000), (32, 20_000), (200, 20_000)].into_iter().enumerate() {
        small(&blobs, run, in_flight, count).await;
    }
    large(&blobs).await;
}

fn name(run: usize, number: usize) -> BlobName {
    let uid = Uid::new(format!("user-{}", number % 100)).expect("it is short");
    let job = JobId(Uuid::from_u128((run * 1_000_000 + number / IN_A_JOB) as u128));
    BlobName::new(&uid, job, number % IN_A_JOB, "phone_1780000000.bin")
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn small(blobs: &DiskBlobs, run: usize, in_flight: usize, count: usize) {
    let bytes = Bytes::from(vec![7; SMALL]);
    let begun = Instant::now();
    let writes = stream::iter(0..count).map(|number| write(blobs, name(run, number), bytes.clone(), 1));
    writes.buffer_unordered(in_flight).for_each(async |()| ()).await;
    let written = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let reads = stream::iter(0..count).map(|number| read(blobs, name(run, number)));
    reads.buffer_unordered(in_flight).for_each(async |size| assert_eq!(size, SMALL)).await;
    let read = begun.elapsed().as_secs_f64();
    let (writes, reads) = (count as f64 / written, count as f64 / read);
    println!("{in_flight:>3} in flight: {writes:>6.0} durable blobs of 16 KiB a second; {reads:>6.0} read");
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn large(blobs: &DiskBlobs) {
    let begun = Instant::now();
    write(blobs, name(9, 0), Bytes::from(vec![7; PIECE]), PIECES).await;
    let written = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let size = read(blobs, name(9, 0)).await as f64 / 1024.0 / 1024.0;
    let read = begun.elapsed().as_secs_f64();
    println!("one of {size} MiB: {:.0} MiB/s written, {:.0} MiB/s read", size / written, size / read);
}

async fn write(blobs: &DiskBlobs, name: BlobName, piece: Bytes, pieces: usize) {
    let mut writer = blobs.create(&name).await.expect("there is room");
    for _ in 0..pieces {
        writer.write(piece.clone()).await.expect("the disk takes it");
    }
    writer.finish().await.expect("the disk keeps it");
}

async fn read(blobs: &DiskBlobs, name: BlobName) -> usize {
    let stream = blobs.read(&name, 0).await.expect("it was written");
    stream.try_fold(0, async |size, piece| Ok(size + piece.len())).await.expect("the disk gives it back")
}
