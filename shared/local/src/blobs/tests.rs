//! Tests what the disk adds to the contract of the port: no partial blobs, no leftovers, and
//! undisturbed backups.

mod deleting;
mod listing;
mod writing;

use domain::{JobId, Uid};
use flow::Kind;
use futures_util::TryStreamExt;
use tempfile::TempDir;
use testkit::TestClock;
use uuid::Uuid;

use super::piece::PIECE;
use super::*;

const NOW: domain::Timestamp = domain::Timestamp::from_secs(1_780_000_000);

/// A store in a folder of its own.
struct Fixture {
    blobs: DiskBlobs,
    clock: Arc<TestClock>,
    folder: TempDir,
}

fn fixture() -> Fixture {
    with_reserve(0)
}

fn with_reserve(bytes: u64) -> Fixture {
    let (clock, folder) = (TestClock::at(NOW), tempfile::tempdir().unwrap());
    let blobs = DiskBlobs::open(folder.path(), bytes, clock.clone()).unwrap();
    Fixture { blobs, clock, folder }
}

impl Fixture {
    async fn put(&self, name: &BlobName, bytes: impl Into<Bytes>) -> Result<flow::ports::StoredBlob> {
        let mut writer = self.blobs.create(name).await?;
        writer.write(bytes.into()).await?;
        writer.finish().await
    }

    async fn get(&self, name: &BlobName, offset: u64) -> Vec<u8> {
        let pieces: Vec<Bytes> = self.blobs.read(name, offset).await.unwrap().try_collect().await.unwrap();
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
        pieces.concat()
    }

    /// The names in a folder below the root.
    fn entries(&self, below: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path().join(below))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn job(number: u128) -> JobId {
    JobId(Uuid::from_u128(number))
}

fn blob(uid: &str, number: u128, index: usize) -> BlobName {
    BlobName::new(&Uid::new(uid).unwrap(), job(number), index, "a.bin")
}

/// Bytes that differ from position to position.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

testkit::blobs_contract!(async || {
    let Fixture { blobs, folder, .. } = fixture();
    (Arc::new(blobs), folder)
});
