//! The queue's contract: tasks are named, scheduled, delivered at least once, and a name is enqueued only once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Timestamp, Uid};
use flow::Kind;
use flow::ports::{Clock, NewTask, Queue};

use crate::build::{job_id, task, uid};
use crate::clock::TestClock;
use crate::fault_injection::LosesAnswers;

const MS: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A queue whose clock and delivery are controlled by the test.
pub struct TestQueue {
    pub queue: Arc<dyn Queue>,
    pub clock: Arc<TestClock>,
    pub deliveries: Box<dyn Deliveries>,
}

#[async_trait]
pub trait Deliveries: Send + Sync + 'static {
    /// Delivers what is due now, soonest first, and acknowledges each task.
    async fn deliver_due(&self) -> Vec<NewTask>;
}

impl TestQueue {
    async fn deliver_due(&self) -> Vec<NewTask> {
        self.deliveries.deliver_due().await
    }
}

fn ann() -> Uid {
    uid("ann")
}

fn at(n: u64, schedule: Option<Timestamp>) -> NewTask {
    NewTask { schedule, ..task(job_id(n), &ann(), 1) }
}

pub async fn unscheduled_task_is_delivered_at_once_with_all_its_fields(test: Arc<TestQueue>) {
    let task = NewTask { traceparent: Some("00-0af7-b7ad-01".into()), ..task(job_id(1), &ann(), 7) };
    test.queue.enqueue(task.clone()).await.unwrap();
    let delivered = test.deliver_due().await;
    assert_eq!(delivered.len(), 1);
    assert_eq!((&delivered[0].body, &delivered[0].traceparent), (&task.body, &task.traceparent));
    assert_eq!(test.deliver_due().await.len(), 0, "an acknowledged task is not delivered again");
}

pub async fn scheduled_task_is_delivered_at_its_time_and_not_before(test: Arc<TestQueue>) {
    let schedule = test.clock.now() + MINUTE;
    test.queue.enqueue(at(1, Some(schedule))).await.unwrap();
    assert_eq!(test.deliver_due().await.len(), 0);
    test.clock.set(schedule - MS);
    assert_eq!(test.deliver_due().await.len(), 0);
    test.clock.set(schedule);
    assert_eq!(test.deliver_due().await.len(), 1);
}

pub async fn task_scheduled_in_the_past_is_delivered_at_once(test: Arc<TestQueue>) {
    test.queue.enqueue(at(1, Some(test.clock.now() - MINUTE))).await.unwrap();
    assert_eq!(test.deliver_due().await.len(), 1);
}

pub async fn soonest_task_is_delivered_first(test: Arc<TestQueue>) {
    let now = test.clock.now();
    for (n, minutes) in [(1, 5), (2, 2), (3, 9)] {
        test.queue.enqueue(at(n, Some(now + minutes * MINUTE))).await.unwrap();
    }
    test.clock.advance(10 * MINUTE);
    let jobs: Vec<_> = test.deliver_due().await.iter().map(|task| task.body.job_id).collect();
    assert_eq!(jobs, [2, 1, 3].map(job_id));
}

pub async fn task_with_the_name_of_a_waiting_task_is_not_added(test: Arc<TestQueue>) {
    let schedule = Some(test.clock.now() + MINUTE);
    test.queue.enqueue(at(1, schedule)).await.unwrap();
    test.queue.enqueue(at(1, None)).await.unwrap();
    test.queue.enqueue(at(1, schedule)).await.unwrap();
    assert_eq!(test.deliver_due().await.len(), 0, "the first task is kept");
    test.clock.advance(MINUTE);
    assert_eq!(test.deliver_due().await.len(), 1);
}

pub async fn task_with_the_name_of_a_recently_run_task_is_not_run(test: Arc<TestQueue>) {
    test.queue.enqueue(at(1, None)).await.unwrap();
    assert_eq!(test.deliver_due().await.len(), 1);
    for _ in 0..3 {
        test.queue.enqueue(at(1, None)).await.unwrap();
        assert_eq!(test.deliver_due().await.len(), 0);
        test.clock.advance(15 * MINUTE);
    }
}

pub async fn task_with_the_next_dispatch_number_is_another_task(test: Arc<TestQueue>) {
    for (job, dispatch) in [(1, 1), (1, 2), (2, 1)] {
        test.queue.enqueue(task(job_id(job), &ann(), dispatch)).await.unwrap();
    }
    assert_eq!(test.deliver_due().await.len(), 3);
}

pub async fn task_exists_until_it_has_run(test: Arc<TestQueue>) {
    let task = at(1, Some(test.clock.now() + MINUTE));
    assert!(!test.queue.exists(&task.name()).await.unwrap());
    test.queue.enqueue(task.clone()).await.unwrap();
    assert!(test.queue.exists(&task.name()).await.unwrap());
    test.clock.advance(2 * MINUTE);
    assert!(test.queue.exists(&task.name()).await.unwrap(), "an overdue task is not lost");
    test.deliver_due().await;
    assert!(!test.queue.exists(&task.name()).await.unwrap());
}

pub async fn task_enqueued_concurrently_by_many_is_delivered_once(test: Arc<TestQueue>) {
    let make = |_| {
        let queue = test.queue.clone();
        tokio::spawn(async move { queue.enqueue(at(1, None)).await })
    };
    let tasks: Vec<_> = (0..8).map(make).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(test.deliver_due().await.len(), 1);
}

pub async fn task_enqueued_again_after_a_lost_answer_is_delivered_once(test: Arc<TestQueue>) {
    let fault_injection = LosesAnswers::first_of_each(test.queue.clone());
    assert_eq!(fault_injection.enqueue(at(1, None)).await.unwrap_err().kind, Kind::Unknown);
    fault_injection.enqueue(at(1, None)).await.unwrap();
    assert_eq!(test.deliver_due().await.len(), 1);
}

pub async fn a_queue_is_ready(test: Arc<TestQueue>) {
    test.queue.ready().await.unwrap();
}

/// The tests that a [`Queue`] must pass; the macro's argument makes a [`TestQueue`].
#[macro_export]
macro_rules! queue_contract {
    ($make:expr) => {
        $crate::contract_tests! { queue_contract of queue, $make, [
            unscheduled_task_is_delivered_at_once_with_all_its_fields,
            scheduled_task_is_delivered_at_its_time_and_not_before,
            task_scheduled_in_the_past_is_delivered_at_once,
            soonest_task_is_delivered_first,
            task_with_the_name_of_a_waiting_task_is_not_added,
            task_with_the_name_of_a_recently_run_task_is_not_run,
            task_with_the_next_dispatch_number_is_another_task,
            task_exists_until_it_has_run,
            task_enqueued_concurrently_by_many_is_delivered_once,
            task_enqueued_again_after_a_lost_answer_is_delivered_once,
            a_queue_is_ready,
        ] }
    };
}
