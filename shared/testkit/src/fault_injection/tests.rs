use std::sync::Arc;

use flow::Kind;
use flow::ports::{Blobs, DeviceStore, Queue, Store};

use super::{FailsBefore, LosesAnswers, Plan};
use crate::build::{self, T0};
use crate::clock::TestClock;
use crate::memory;

#[tokio::test]
async fn answer_is_lost_after_the_work_is_done() {
    let clock = TestClock::at(T0);
    let queue = Arc::new(memory::Queue::new(clock));
    let faulty = LosesAnswers::first_of_each(queue.clone());
    let task = build::task(build::job_id(1), &build::uid("ann"), 1);
    assert_eq!(faulty.enqueue(task.clone()).await.unwrap_err().kind, Kind::Unknown);
    assert_eq!(queue.waiting(), std::slice::from_ref(&task));
    faulty.enqueue(task.clone()).await.unwrap();
    assert_eq!(queue.waiting(), [task], "the repeated call is the same wake-up");
}

#[tokio::test]
async fn call_that_fails_before_has_no_effect() {
    let store: Arc<dyn Store> = Arc::new(memory::Store::new());
    let failing = FailsBefore::first_of_each(store.clone());
    let device = build::device(&build::uid("ann"), "phone", "token");
    assert_eq!(failing.put_device(&device).await.unwrap_err().kind, Kind::Unavailable);
    assert!(store.devices(&device.uid).await.unwrap().is_empty());
    failing.put_device(&device).await.unwrap();
    assert_eq!(failing.devices(&device.uid).await.unwrap_err().kind, Kind::Unavailable, "reads fail too");
    assert_eq!(failing.devices(&device.uid).await.unwrap(), [device]);
}

#[tokio::test]
async fn blob_with_a_lost_finish_is_written_by_repeating() {
    let clock = TestClock::at(T0);
    let blobs: Arc<dyn Blobs> = Arc::new(memory::Blobs::new(clock));
    let faulty = LosesAnswers::first_of_each(blobs);
    let name = build::blob(&build::uid("ann"), build::job_id(1), 0);
    let write = async || {
        let mut writer = faulty.create(&name).await?;
        writer.write("sound".into()).await?;
        writer.finish().await
    };
    assert_eq!(write().await.unwrap_err().kind, Kind::Unknown);
    assert_eq!(write().await.unwrap().size, 5);
}

#[test]
fn plan_fails_as_many_calls_as_scripted() {
    let plan = Plan::never();
    assert!(!plan.should_fail("store.place"));
    plan.fail_call("store.place", 2);
    assert_eq!([1, 2, 3].map(|_| plan.should_fail("store.place")), [true, true, false]);
    plan.fail_always("queue.enqueue");
    assert!((0..9).all(|_| plan.should_fail("queue.enqueue")));
    plan.heal();
    assert!(!plan.should_fail("queue.enqueue"));
}
