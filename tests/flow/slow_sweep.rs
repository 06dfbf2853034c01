//! A sweep while a service does not answer: it ends, and every part of it is executed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::job::WaitingFor;
use domain::{Command, Job};
use flow::Services;
use flow::ports::{Device, DeviceStore, NewTask, Push, PushMessage, PushOutcome, Queue, TaskName};
use testkit::build::{device, phone};
use testkit::fault_injection::{FailsBefore, Plan};
use testkit::{Harness, TestClock, memory};

use crate::harness::{Stage, ann};
use crate::parallel::recordings;

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

#[tokio::test]
async fn jobs_that_cannot_be_cleaned_up_do_not_keep_the_sweep_from_those_behind_them() {
    let stage = Stage::new();
    let blobs = Arc::new(FailsBefore::planned(stage.blobs.clone(), Plan::never()));
    blobs.plan().fail_always("blobs.delete");
    let mut harness = Harness::new(stage.store.clone());
    harness.clock = stage.clock.clone();
    for n in 0..JOBS {
        harness.transcribe(&ann(), &phone(1000 * n.cast_signed()), &[(0, 900, "good morning")]).await;
    }
    stage.clock.advance(Duration::from_secs(3600));
    let late = harness.accept(&ann(), &[phone(1_000_000)]).await;
    stage.clock.advance(Duration::from_secs(3600));
    let services = Services { blobs, ..stage.services.clone() };
    // Each deletion is tried three times.
    let time_passes = async {
        loop {
            stage.clock.until_asleep(1).await;
            stage.clock.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
    };
    let swept = tokio::select! {
        swept = flow::sweep::sweep(&services, JOBS as usize / 4) => swept.unwrap(),
        () = time_passes => unreachable!(),
    };
    assert_eq!(stage.queue.waiting().iter().filter(|task| task.body.job_id == late.id).count(), 1, "{swept:?}");
}

/// A queue that needs this long for each task.
struct SlowQueue(Arc<memory::Queue>, Arc<TestClock>);

#[async_trait]
impl Queue for SlowQueue {
    async fn enqueue(&self, task: NewTask) -> flow::Result<()> {
        self.1.advance(WAIT);
        self.0.enqueue(task).await
    }

    async fn exists(&self, name: &TaskName) -> flow::Result<bool> {
        self.0.exists(name).await
    }

    async fn ready(&self) -> flow::Result<()> {
        self.0.ready().await
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// Jobs that wait for the speech engine for almost an hour, while the engine is back.
async fn jobs_wait_while_the_engine_is_back(stage: &Stage, jobs: i64) -> Vec<Job> {
    let mut waiting = Vec::new();
    for n in 0..jobs {
        let id = stage.accept_all(&recordings(n, 1), None).await.job_id;
        let until = stage.clock_now() + (HOUR - Duration::from_secs(100 - n.unsigned_abs()));
        let command = Command::Postpone { until, waiting_for: WaitingFor::Engine, explanation: None };
        stage.services.step(id, &command).await.unwrap();
        waiting.push(stage.job(id).await);
    }
    assert!(waiting.iter().all(Job::is_parked));
    let circuit = &stage.services.instance.circuit;
    (0..3).for_each(|_| circuit.failed(stage.clock_now(), None, None));
    circuit.succeeded();
    waiting
}

async fn still_wait(stage: &Stage, jobs: &[Job]) -> usize {
    let mut still = 0;
    for job in jobs {
        still += usize::from(stage.job(job.id).await.due_at == job.due_at);
    }
    still
}

#[tokio::test]
async fn waking_of_jobs_ends_in_time_and_next_sweeps_continue_with_it() {
    let stage = Stage::new();
    let jobs = jobs_wait_while_the_engine_is_back(&stage, 12).await;
    let queue = Arc::new(SlowQueue(stage.queue.clone(), stage.clock.clone()));
    let services = Services { queue, ..stage.services.clone() };
    let (began, mut left) = (stage.clock_now(), vec![]);
    while left.last() != Some(&0) {
        let before = services.now();
        flow::sweep::sweep_within(&services, 1000, Duration::from_secs(300)).await.unwrap();
        assert!(before.until(services.now()) < Duration::from_secs(300));
        left.push(still_wait(&stage, &jobs).await);
        assert!(began.until(services.now()) < HOUR / 2, "{left:?}");
    }
    assert!(left.len() > 1, "{left:?}");
}

#[tokio::test]
async fn sweeps_with_a_small_limit_wake_all_jobs_one_after_the_other() {
    let stage = Stage::new();
    let jobs = jobs_wait_while_the_engine_is_back(&stage, 7).await;
    let mut left = vec![7];
    while left.last() != Some(&0) && left.len() < 9 {
        flow::sweep::sweep(&stage.services, 3).await.unwrap();
        left.push(still_wait(&stage, &jobs).await);
    }
    assert_eq!(left, [7, 4, 1, 0]);
}

#[tokio::test]
async fn part_that_always_fails_stops_no_other_part() {
    let mut stage = Stage::new();
    let mut harness = Harness::new(stage.store.clone());
    harness.clock = stage.clock.clone();
    let job = harness.transcribe(&ann(), &phone(0), &[(0, 900, "good morning")]).await;
    assert!(harness.delete(&ann(), job.new_conversation_ids[0]).await);
    stage.clock.advance(HOUR);
    let store = Arc::new(FailsBefore::planned(stage.store.clone(), Plan::never()));
    store.plan().fail_always("store.due_jobs");
    stage.services.store = store.clone();
    for _ in 0..2 {
        flow::sweep::sweep(&stage.services, 1000).await.unwrap_err();
    }
    assert!(store.plan().calls_of("store.remove_texts") > 0, "deleted texts are removed");
}
