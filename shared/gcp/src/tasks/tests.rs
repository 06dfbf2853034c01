//! Tests the queue's contract, deliveries as they arrive, and everything that the service may answer.

mod contract;
mod delivery;
mod faults;
mod settings;
mod target;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use domain::Timestamp;
use emulators::tasks::QUEUE;
use flow::ports::{Clock, NewTask};
use secrecy::SecretString;
use testkit::build::{job_id, task, uid};
use testkit::{SeededRandom, TestClock};

use super::{CloudTasks, CloudTasksSettings};

const SECRET: &str = "0123456789-0123456789-0123456789";

/// The current time: the emulator uses the system's clock.
#[expect(clippy::disallowed_methods, reason = "the emulator in the same process reads the machine's clock")]
fn wall() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(domain::time::millis(since_1970))
}

/// The test's clock, with pauses in real time: nobody advances the clock for a retry.
struct RealPauses<C>(C);

#[async_trait]
impl<C: Clock> Clock for RealPauses<Arc<C>> {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    #[expect(clippy::disallowed_methods, reason = "the emulator in the same process has the machine's time")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

fn settings(endpoint: &str, process_url: &str) -> CloudTasksSettings {
    let emulator = Some(endpoint.to_owned());
    CloudTasksSettings { emulator, ..CloudTasksSettings::new(QUEUE, process_url, SecretString::from(SECRET)) }
}

fn open(settings: CloudTasksSettings, clock: Arc<dyn Clock>) -> Arc<CloudTasks> {
    Arc::new(CloudTasks::new(settings, clock, Arc::new(SeededRandom::new(1))).unwrap())
}

fn new(n: u64) -> NewTask {
    task(job_id(n), &uid("ann"), 1)
}
