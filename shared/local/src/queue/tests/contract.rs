use async_trait::async_trait;
use testkit::contract::queue::{Deliveries, TestQueue};
use tokio::sync::Mutex;

use super::*;

struct Delivered {
    site: Mutex<Site>,
    clock: Arc<TestClock>,
    queue: Arc<LocalQueue>,
}

#[async_trait]
impl Deliveries for Delivered {
    async fn deliver_due(&self) -> Vec<NewTask> {
        let mut site = self.site.lock().await;
        let due = count(&self.queue, &format!("due <= {}", self.clock.now().millis())).await;
        let running = start(&self.queue);
        let mut delivered = Vec::new();
        for _ in 0..due {
            delivered.push(take(site.call().await));
        }
        running.stop().await;
        assert!(site.calls.is_empty(), "more came than was due");
        delivered
    }
}

fn take(call: Call) -> NewTask {
    let traceparent = Some(call.header("traceparent").to_owned()).filter(|text| !text.is_empty());
    let task = NewTask { body: call.task(), schedule: None, traceparent };
    call.answer(200);
    task
}

async fn fresh() -> Arc<TestQueue> {
    let site = Site::new().await;
    // One delivery at a time, so that they arrive in order.
    let queue = site.open_with(QueueSettings { max_concurrent: 1, ..site.settings() });
    let clock = site.clock.clone();
    let deliveries = Box::new(Delivered { clock: clock.clone(), site: Mutex::new(site), queue: queue.clone() });
    Arc::new(TestQueue { queue, clock, deliveries })
}

testkit::queue_contract!(fresh);
