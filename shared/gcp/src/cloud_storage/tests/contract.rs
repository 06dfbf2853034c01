//! Runs the contracts of the ports: once with a service that works, and once with one that fails each
//! kind of request at first.

use std::any::Any;

use async_trait::async_trait;
use emulators::storage::{Fault, Op};
use testkit::contract::direct::{Address, Direct, SendsBytes, Sent};

use super::*;

async fn stage() -> (Arc<Storage>, Box<dyn Any>) {
    let fixture = fixture().await;
    (fixture.storage, Box::new(fixture.cloud))
}

/// A device that sends bytes by plain HTTP and knows only the address.
struct Device(reqwest::Client);

#[async_trait]
impl SendsBytes for Device {
    async fn put(&self, to: &Address<'_>, first: u64, bytes: &[u8]) -> Sent {
        let last = first + bytes.len() as u64 - 1;
        let range = format!("bytes {first}-{last}/{}", to.expected.size);
        let request = self.0.put(to.url.expose()).header("content-range", range).body(bytes.to_vec());
        let answer = request.send().await.unwrap();
        match answer.status().as_u16() {
            200 | 201 => Sent::Whole,
            308 => {
                let range = answer.headers().get("range").map(|range| range.to_str().unwrap().to_owned());
                Sent::More(range.map_or(0, |range| range.strip_prefix("bytes=0-").unwrap().parse::<u64>().unwrap() + 1))
            }
            _ => Sent::Refused,
        }
    }
}

fn direct((storage, kept): (Arc<Storage>, Box<dyn Any>)) -> (Arc<Direct>, Box<dyn Any>) {
    let client = reqwest::Client::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
    let direct = Direct {
        uploads: Arc::new(GcsUploads::new(storage.clone())),
        blobs: Arc::new(GcsBlobs::new(storage)),
        device: Arc::new(Device(client)),
    };
    (Arc::new(direct), kept)
}

fn blobs((storage, kept): (Arc<Storage>, Box<dyn Any>)) -> (Arc<GcsBlobs>, Box<dyn Any>) {
    (Arc::new(GcsBlobs::new(storage)), kept)
}

testkit::blobs_contract!(async || blobs(stage().await));
testkit::direct_contract!(async || direct(stage().await));

/// The first requests of each kind fail: one is refused, and one takes effect but its answer is lost.
/// We do not repeat a device's own requests, so those of upload sessions succeed there.
async fn shaky(ours: &[Op]) -> (Arc<Storage>, Box<dyn Any>) {
    let fixture = fixture().await;
    for op in ours {
        fixture.cloud.order(*op, Fault::LoseAnswer, 1);
        fixture.cloud.order(*op, Fault::Status(503), 1);
    }
    (fixture.storage, Box::new(fixture.cloud))
}

/// The same fake plays Google here, reached as another process would reach it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environment_directs_the_suites_to_another_service() {
    let cloud = CloudStorage::alone(BUCKET).await;
    let environment = [("STORAGE_EMULATOR_HOST", cloud.endpoint()), ("STORAGE_EMULATOR_GRPC_HOST", cloud.endpoint())];
    let suites = ["cloud_storage::tests::contract::blobs_contract", "cloud_storage::tests::contract::direct_contract"];
    let passed = tokio::task::block_in_place(|| run_alone(&suites, &environment));
    assert_eq!((passed, cloud.count(Op::CreateBucket)), (28, 28), "each test has a bucket of its own");
    assert!(cloud.names().is_empty());
}

mod shaky_service {
    use super::*;

    testkit::blobs_contract!(async || {
        let all = [Op::Insert, Op::Start, Op::Chunk, Op::Query, Op::Cancel, Op::Read, Op::Get, Op::Delete, Op::List];
        blobs(shaky(&all).await)
    });
    testkit::direct_contract!(async || direct(shaky(&[Op::Start, Op::Query, Op::Cancel, Op::Read, Op::Get]).await));
}
