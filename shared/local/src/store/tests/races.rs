//! Concurrent calls: the first one wins, and all get the same answer.

use std::sync::Arc;

use domain::command::Refusal;
use domain::{Command, JobId};
use flow::ports::{Created, Stepped};
use testkit::build::{batch_as, job_id, nonce, phone, uid};

use super::{fresh, harness};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_fifty_concurrent_claims_wins() {
    let (store, _folder) = fresh();
    let harness = Arc::new(harness(&store));
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    let claim = |n| {
        let harness = harness.clone();
        tokio::spawn(async move { harness.step(job.id, &Command::Claim { owner: nonce(n) }).await })
    };
    let mut winners = 0;
    for task in (0..50).map(claim).collect::<Vec<_>>() {
        match task.await.unwrap() {
            Stepped::Done { .. } => winners += 1,
            Stepped::Refused { why: Refusal::LeaseHeld { .. }, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let job = harness.job(job.id).await;
    assert_eq!((winners, job.attempt, job.lease.fence), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_fifty_equal_concurrent_batches_becomes_a_job() {
    let (store, _folder) = fresh();
    let harness = Arc::new(harness(&store));
    let create = |n| {
        let harness = harness.clone();
        tokio::spawn(async move { harness.create(&batch_as(job_id(n), &uid("ann"), &[phone(0), phone(60)])).await })
    };
    let (mut made, mut answered): (Vec<JobId>, Vec<JobId>) = Default::default();
    for task in (0..50).map(create).collect::<Vec<_>>() {
        match task.await.unwrap() {
            Created::New { job, .. } => made.push(job.id),
            Created::Answered(job) => answered.push(job.id),
        }
    }
    assert_eq!((made.len(), answered.len()), (1, 49));
    assert!(answered.iter().all(|id| *id == made[0]));
}
