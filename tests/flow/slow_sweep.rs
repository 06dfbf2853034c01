//! A sweep while a service does not answer: it ends, and every part of it is executed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flow::Services;
use flow::ports::{Device, DeviceStore, Push, PushMessage, PushOutcome};
use testkit::build::{device, phone};
use testkit::{Harness, TestClock};

use crate::harness::{Stage, ann};

/// The longest time that a push without an answer may take.
const WAIT: Duration = Duration::from_secs(15);
const JOBS: u64 = 40;

struct Unanswered(Arc<TestClock>);

#[async_trait]
impl Push for Unanswered {
    async fn send(&self, _: &Device, _: &PushMessage) -> flow::Result<PushOutcome> {
        self.0.advance(WAIT);
        Ok(PushOutcome::Later(None))
    }
}

#[tokio::test]
async fn sweep_ends_while_pushes_wait_and_still_removes_deleted_texts() {
    let stage = Stage::new();
    let mut harness = Harness::new(stage.store.clone());
    harness.clock = stage.clock.clone();
    stage.store.put_device(&device(&ann(), "phone", "token")).await.unwrap();
    let mut last = None;
    for n in 0..JOBS {
        let spoken = [(0, 900, "good morning")];
        last = Some(harness.transcribe(&ann(), &phone(1000 * n.cast_signed()), &spoken).await);
    }
    assert!(harness.delete(&ann(), last.unwrap().new_conversation_ids[0]).await);
    stage.clock.advance(Duration::from_secs(3600));
    let services = Services { push: Arc::new(Unanswered(stage.clock.clone())), ..stage.services.clone() };
    let (mut seen_to, mut sweeps) = (0, 0);
    while seen_to < JOBS {
        let before = services.now();
        let swept = flow::sweep::sweep(&services, 1000).await.unwrap();
        assert!(before.until(services.now()) < Duration::from_secs(180), "{swept:?}");
        assert_eq!(swept.forgotten, u64::from(sweeps == 0), "{swept:?}");
        assert!(swept.finished_effects > 0);
        (seen_to, sweeps) = (seen_to + swept.finished_effects, sweeps + 1);
    }
    assert!(sweeps > 1);
}
