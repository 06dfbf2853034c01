//! Concurrent calls of a store: the first one wins, and all get the same answer.

use std::sync::Arc;

use domain::command::Refusal;
use domain::{Command, JobId};
use flow::ports::{Created, Stepped};

use crate::build::{batch_as, job_id, nonce, phone, uid};
use crate::harness::Harness;

/// As many workers claim a queued job at once. Exactly one of them wins.
pub async fn one_of_many_claims_wins(harness: Arc<Harness>, job: JobId, claims: u64) {
    let claim = |n| {
        let harness = harness.clone();
        tokio::spawn(async move { harness.step(job, &Command::Claim { owner: nonce(n) }).await })
    };
    let mut winners = 0;
    for task in (0..claims).map(claim).collect::<Vec<_>>() {
        match task.await.unwrap() {
            Stepped::Done { .. } => winners += 1,
            Stepped::Refused { why: Refusal::LeaseHeld { .. }, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let job = harness.job(job).await;
    assert_eq!((winners, job.attempt, job.lease.fence), (1, 1, 1));
}

/// As many equal batches are uploaded at once. One of them becomes a job, and that job is the answer to the others.
pub async fn one_of_many_equal_batches_becomes_a_job(harness: Arc<Harness>, batches: u64) {
    let create = |n| {
        let harness = harness.clone();
        tokio::spawn(async move { harness.create(&batch_as(job_id(n), &uid("ann"), &[phone(0), phone(60)])).await })
    };
    let (mut made, mut answered): (Vec<JobId>, Vec<JobId>) = Default::default();
    for task in (0..batches).map(create).collect::<Vec<_>>() {
        match task.await.unwrap() {
            Created::New { job, .. } => made.push(job.id),
            Created::Answered(job) => answered.push(job.id),
        }
    }
    assert_eq!((made.len(), answered.len() as u64), (1, batches - 1));
    assert!(answered.iter().all(|id| *id == made[0]));
}
