use async_trait::async_trait;
use emulators::receiver::Receiver;
use emulators::tasks::{Listed, Tasks};
use testkit::contract::queue::{Deliveries, TestQueue};
use tokio::sync::Mutex;

use super::*;

/// The emulator uses the system's clock, and the suite moves its own. So the queue is paused, and tasks
/// that are due by the suite's clock are run by hand. The suite then shows that names and schedules
/// reach the service to the millisecond. `delivery` shows that the service keeps to a schedule.
struct Delivered {
    emulator: Tasks,
    worker: Mutex<Receiver>,
    clock: Arc<TestClock>,
}

impl Delivered {
    async fn fresh() -> Arc<TestQueue> {
        // The suite runs in the emulator's future, so that no time of the suite is in the emulator's past.
        let clock = TestClock::at(wall() + Duration::from_secs(3600));
        let (emulator, worker) = (Tasks::start().await, Receiver::start().await);
        emulator.pause().await;
        let queue = open(settings(emulator.endpoint(), &worker.url), Arc::new(RealPauses(clock.clone())));
        let deliveries = Box::new(Self { emulator, worker: Mutex::new(worker), clock: clock.clone() });
        Arc::new(TestQueue { queue, clock, deliveries })
    }

    fn is_due(&self, task: &Listed) -> bool {
        self.clock.now().has_reached(task.schedule_time.parse().unwrap())
    }
}

#[async_trait]
impl Deliveries for Delivered {
    async fn deliver_due(&self) -> Vec<NewTask> {
        let mut due = self.emulator.tasks().await;
        due.retain(|task| self.is_due(task));
        due.sort_by_key(|task| task.schedule_time.parse::<Timestamp>().unwrap());
        let (mut worker, mut delivered) = (self.worker.lock().await, Vec::new());
        for task in due {
            self.emulator.run(&task.name).await;
            let call = worker.call().await;
            let traceparent = Some(call.header("traceparent").to_owned()).filter(|text| !text.is_empty());
            let body = serde_json::from_str(&call.body).unwrap();
            call.answer(200);
            delivered.push(NewTask { body, schedule: None, traceparent });
            emulators::soon("the end of the task", async {
                while self.emulator.tasks().await.iter().any(|left| left.name == task.name) {}
            })
            .await;
        }
        assert_eq!(worker.waiting(), 0, "more came than was due");
        delivered
    }
}

testkit::queue_contract!(Delivered::fresh);
