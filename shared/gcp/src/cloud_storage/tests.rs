//! Tests the adapters with a fake Cloud Storage: the contracts of their ports, lost answers, and every
//! fault that the fake can produce.

mod broken;
mod contract;
mod dead;
mod direct;
mod lazy;
mod listing;
mod memory;
mod reading;
mod refused;
mod testbench;
mod writing;

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use emulators::storage::CloudStorage;
use flow::ports::{BlobName, Blobs, StoredBlob};
use futures_util::TryStreamExt;
use testkit::build::{T0, blob, job_id, uid};
use testkit::{SeededRandom, TestClock};

use super::*;

const BUCKET: &str = "recordings";
const MIB: usize = 1024 * 1024;

/// A fake Cloud Storage, and the adapters that use it.
struct Fixture {
    cloud: CloudStorage,
    storage: Arc<Storage>,
    blobs: GcsBlobs,
    uploads: GcsUploads,
    clock: Arc<TestClock>,
}

fn settings(cloud: &CloudStorage) -> Settings {
    Settings { endpoint: Some(cloud.endpoint().to_owned()), ..Settings::new(cloud.bucket()) }
}

/// Pauses take no time here: nothing else sleeps on this clock.
fn storage(settings: Settings) -> (Arc<Storage>, Arc<TestClock>) {
    let clock = TestClock::automatic(T0);
    (Arc::new(Storage::new(settings, clock.clone(), Arc::new(SeededRandom::new(1)))), clock)
}

async fn fixture() -> Fixture {
    fixture_with(policy()).await
}

/// A policy that gives up soon, for tests in which a request hangs.
fn impatient() -> CallPolicy {
    let retry = RetryPolicy { tries: 3, total: Duration::from_secs(5), ..policy().retry };
    CallPolicy { attempt: Duration::from_millis(200), retry }
}

async fn fixture_with(policy: CallPolicy) -> Fixture {
    at(CloudStorage::start(BUCKET).await, policy)
}

fn at(cloud: CloudStorage, policy: CallPolicy) -> Fixture {
    cloud.set_time(UNIX_EPOCH + Duration::from_millis(T0.millis().unsigned_abs()));
    let (storage, clock) = storage(Settings { policy, ..settings(&cloud) });
    if cloud.is_elsewhere() {
        #[expect(clippy::disallowed_methods, reason = "another service's objects are as old as its clock says")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        clock.set(domain::Timestamp::from_millis(domain::time::millis(now)));
    }
    let (blobs, uploads) = (GcsBlobs::new(storage.clone()), GcsUploads::new(storage.clone()));
    Fixture { cloud, storage, blobs, uploads, clock }
}

fn name() -> BlobName {
    blob(&uid("ann"), job_id(1), 0)
}

/// Pseudo-random bytes, so that no two neighbouring ranges are alike.
fn sound(length: usize) -> Vec<u8> {
    (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Set in a process that runs one test alone.
const ALONE: &str = "AFTERWORD_ALONE";

fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}

/// Runs tests of this binary in a process of their own, because they change the heap or the environment
/// of the whole process. Returns how many passed.
#[track_caller]
fn run_alone(arguments: &[&str], environment: &[(&str, &str)]) -> usize {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(arguments).env(ALONE, "1").envs(environment.iter().copied()).output().unwrap();
    let output_text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{output_text}");
    let passed = output_text.split(" passed").next().and_then(|before| before.rsplit(' ').next()?.parse().ok());
    passed.unwrap_or_else(|| panic!("no test ran: {output_text}"))
}

impl Fixture {
    async fn write(&self, bytes: &[u8]) -> Result<StoredBlob> {
        let mut writer = self.blobs.create(&name()).await?;
        for part in bytes.chunks(100_003) {
            writer.write(Bytes::copy_from_slice(part)).await?;
        }
        writer.finish().await
    }

    async fn read(&self, offset: u64) -> Result<Vec<u8>> {
        let pieces: Vec<Bytes> = self.blobs.read(&name(), offset).await?.try_collect().await?;
        Ok(pieces.concat())
    }

    /// The bytes that Cloud Storage has under the name.
    fn stored(&self) -> Option<Bytes> {
        self.cloud.bytes(name().as_str())
    }
}
