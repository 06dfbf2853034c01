//! An upload whose job may or may not exist: its audio is neither lost nor left behind.

use std::sync::Arc;
use std::time::Duration;

use domain::{Job, Status};
use flow::accept::{Accepted, BatchOptions, Intake, PartHeaders, Refused};
use flow::ports::Blobs;
use flow::{Kind, Services};
use testkit::TestClock;
use testkit::build::T0;
use testkit::fault_injection::{FailsBefore, LosesAnswers, LosesRequests, Plan};
use tests::Recording;
use tests::recordings::T0 as SECONDS;

use crate::harness::{Stage, ann};

/// More often than any operation is tried.
const ALWAYS: u32 = 10;

async fn upload(services: &Services) -> Result<Accepted, Refused> {
    // Retries pause, and nobody else advances the time.
    let services = &Services { clock: TestClock::automatic(T0), ..services.clone() };
    let Recording { name, bytes, .. } = Recording::short(SECONDS);
    let mut intake = Intake::begin(services, ann(), BatchOptions::default()).await.unwrap();
    intake.start_file(&name, PartHeaders::default()).await.unwrap();
    intake.write(bytes).await.unwrap();
    intake.end_file().await.unwrap();
    intake.commit(None).await
}

fn only_job(stage: &Stage) -> Job {
    let mut jobs = stage.store.all_jobs();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0)
}

async fn blobs(stage: &Stage) -> usize {
    stage.blobs.list("uploads/", None, 10).await.unwrap().len()
}

#[track_caller]
fn assert_unknown(answer: Result<Accepted, Refused>) {
    let Err(Refused::Storage(error)) = answer else { panic!("{answer:?}") };
    assert_eq!(error.kind, Kind::Unknown);
}

#[tokio::test]
async fn batch_that_did_not_become_a_job_leaves_no_audio() {
    let mut stage = Stage::new();
    let store = Arc::new(LosesRequests::planned(stage.store.clone(), Plan::never()));
    stage.services.store = store.clone();
    store.plan().fail_call("store.create_job", ALWAYS);
    assert_unknown(upload(&stage.services).await);
    assert_eq!(blobs(&stage).await, 0);
    assert_eq!(only_job(&stage).status, Status::Cancelled);
    assert!(stage.queue.take_due(stage.clock_now()).is_empty());
}

#[tokio::test]
async fn batch_that_became_a_job_is_accepted_although_every_answer_was_lost() {
    let mut stage = Stage::new();
    let store = Arc::new(LosesAnswers::planned(stage.store.clone(), Plan::never()));
    stage.services.store = store.clone();
    store.plan().fail_call("store.create_job", ALWAYS);
    let accepted = upload(&stage.services).await.unwrap();
    assert_eq!(accepted.job.id, only_job(&stage).id);
    assert_eq!((blobs(&stage).await, only_job(&stage).status), (1, Status::Queued));
    assert_eq!(stage.queue.take_due(stage.clock_now()).len(), 1, "it has its task");
}

#[tokio::test]
async fn sweep_deletes_the_audio_of_a_withdrawn_batch_that_could_not_be_deleted_at_once() {
    let mut stage = Stage::new();
    let store = Arc::new(LosesRequests::planned(stage.store.clone(), Plan::never()));
    let failing = Arc::new(FailsBefore::planned(stage.blobs.clone(), Plan::never()));
    (stage.services.store, stage.services.blobs) = (store.clone(), failing.clone());
    store.plan().fail_call("store.create_job", ALWAYS);
    failing.plan().fail_always("blobs.delete");
    assert_unknown(upload(&stage.services).await);
    assert_eq!(blobs(&stage).await, 1);
    failing.plan().heal();
    store.plan().heal();
    stage.clock.advance(Duration::from_secs(60));
    flow::sweep::sweep(&stage.services, 100).await.unwrap();
    assert_eq!(blobs(&stage).await, 0);
}
