//! The in-memory adapters fulfil the contract of every port.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use flow::ports::{Clock, IncomingUpload, NewTask, Progress, ReceivesUploads};
use testkit::build::T0;
use testkit::contract::direct::{Address, Direct, SendsBytes, Sent};
use testkit::contract::queue::{Deliveries, TestQueue};
use testkit::contract::uploads::Receiving;
use testkit::{SeededRandom, TestClock, memory};

testkit::store_contract!(async || Arc::new(memory::Store::new()));
testkit::archive_contract!(async || Arc::new(memory::Store::new()));
testkit::feed_contract!(async || Arc::new(memory::Store::new()));
testkit::blobs_contract!(async || Arc::new(memory::Blobs::new(TestClock::at(T0))));
testkit::uploads_contract!(async || {
    let blobs = Arc::new(memory::Blobs::new(TestClock::at(T0)));
    let uploads = Arc::new(memory::Uploads::new(blobs.clone(), Arc::new(SeededRandom::new(1))));
    Arc::new(Receiving { uploads, blobs })
});
testkit::direct_contract!(async || {
    let blobs = Arc::new(memory::Blobs::new(TestClock::at(T0)));
    let uploads = Arc::new(memory::Uploads::new(blobs.clone(), Arc::new(SeededRandom::new(1))));
    let device = Arc::new(Device(uploads.clone()));
    Arc::new(Direct { uploads, blobs, device })
});
testkit::push_contract!(async || Arc::new(memory::Push::new()));
testkit::queue_contract!(async || {
    let clock = TestClock::at(T0);
    let queue = Arc::new(memory::Queue::new(clock.clone()));
    let deliveries = Box::new(InMemory { clock: clock.clone(), queue: queue.clone() });
    Arc::new(TestQueue { queue, clock, deliveries })
});

/// Sends bytes as the HTTP route that receives them would.
struct Device(Arc<memory::Uploads>);

#[async_trait]
impl SendsBytes for Device {
    async fn put(&self, to: &Address<'_>, first: u64, bytes: &[u8]) -> Sent {
        let mut writer = match self.0.append(to.name, to.expected).await {
            Ok(IncomingUpload::Whole { .. }) => return Sent::Whole,
            Ok(IncomingUpload::Open(writer)) => writer,
            Err(_) => return Sent::Refused,
        };
        let Some(known) = writer.offset().checked_sub(first) else { return Sent::Refused };
        if writer.write(bytes[known as usize..].to_vec().into()).await.is_err() {
            return Sent::Refused;
        }
        match writer.flush().await {
            Ok(Progress::Open { offset }) => Sent::More(offset),
            Ok(Progress::Whole { .. }) => Sent::Whole,
            _ => Sent::Refused,
        }
    }
}

struct InMemory {
    clock: Arc<TestClock>,
    queue: Arc<memory::Queue>,
}

#[async_trait]
impl Deliveries for InMemory {
    async fn deliver_due(&self) -> Vec<NewTask> {
        self.queue.take_due(self.clock.now())
    }
}

/// Every behaviour function is listed in its macro.
#[test]
fn every_behaviour_is_listed_in_its_macro() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/contract");
    let store = folder.join("store");
    let list = std::fs::read_to_string(store.join("list.rs")).unwrap();
    let single = ["archive.rs", "blobs.rs", "damage.rs", "direct.rs", "feed.rs", "uploads.rs", "queue.rs", "push.rs"]
        .map(|file| folder.join(file));
    let grouped = std::fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().path());
    let mut found = 0;
    for file in grouped.chain(single) {
        let text = std::fs::read_to_string(&file).unwrap();
        let listed = if file.starts_with(&store) { &list } else { &text };
        for behaviour in behaviours(&text) {
            let name = format!(" {behaviour},\n");
            assert!(listed.contains(&name), "{behaviour} of {} is in no macro", file.display());
            found += 1;
        }
    }
    assert!(found > 150, "only {found} behaviours were found");
}

fn behaviours(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("pub async fn ")?.split('(').next())
        .filter(|name| *name != "$name")
}
