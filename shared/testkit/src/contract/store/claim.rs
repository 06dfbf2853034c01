//! Claiming: one worker holds a job for as long as it renews its lease.

use std::sync::Arc;
use std::time::Duration;

use domain::command::{Action, Refusal};
use domain::job::DispatchState;
use domain::{Command, Status};
use flow::ports::{Stepped, Store};

use super::{MS, ann};
use crate::build::{job_id, nonce, phone};
use crate::harness::Harness;

pub async fn a_claim_takes_the_lease_and_raises_the_fence(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let queued = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.done(queued.id, Command::Claim { owner: nonce(1) }).await;
    let until = Some(harness.now() + harness.rules.lease);
    assert_eq!((job.status, job.attempt, job.started_at), (Status::Processing, 1, Some(harness.now())));
    assert_eq!((job.lease.fence, job.lease.owner, job.lease.until), (1, Some(nonce(1)), until));
    assert_eq!(
        (job.dispatch.state, job.due_at),
        (DispatchState::Enqueued, Some(harness.now() + 2 * harness.rules.lease))
    );
    assert_eq!(harness.job(job.id).await, job);
}

pub async fn exactly_one_of_many_concurrent_claims_wins(store: Arc<dyn Store>) {
    let harness = Arc::new(Harness::new(store));
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let claim = |n| {
        let harness = harness.clone();
        tokio::spawn(async move { harness.step(job.id, &Command::Claim { owner: nonce(n) }).await })
    };
    let tasks: Vec<_> = (0..16).map(claim).collect();
    let mut winners = Vec::new();
    for (n, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Stepped::Done { .. } => winners.push(nonce(n as u64)),
            Stepped::Refused { why: Refusal::LeaseHeld { .. }, .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let job = harness.job(job.id).await;
    assert_eq!((job.lease.owner.into_iter().collect::<Vec<_>>(), job.attempt, job.lease.fence), (winners, 1, 1));
}

pub async fn claim_repeated_by_its_owner_changes_nothing(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let first = harness.done(job.id, Command::Claim { owner: nonce(1) }).await;
    harness.pass(Duration::from_secs(5));
    assert_eq!(harness.done(job.id, Command::Claim { owner: nonce(1) }).await, first);
}

pub async fn a_job_is_held_for_one_more_lease_after_its_lease_and_not_longer(store: Arc<dyn Store>) {
    for (early, free) in [(1, false), (0, true), (-1, true)] {
        let harness = Harness::new(store.clone());
        let job = harness.accept(&super::user(early), &[phone(0)]).await;
        let held = harness.claim(job.id).await;
        let until = held.lease.until.unwrap() + harness.rules.lease;
        harness.clock.set(domain::Timestamp::from_millis(until.millis() - early));
        let stepped = harness.step(job.id, &Command::Claim { owner: nonce(2) }).await;
        if free {
            let Stepped::Done { job, .. } = stepped else { panic!("{early} ms early: {stepped:?}") };
            assert_eq!((job.lease.fence, job.lease.owner, job.attempt), (2, Some(nonce(2)), 2));
        } else {
            assert_eq!(stepped, Stepped::Refused { job: held, why: Refusal::LeaseHeld { until } });
        }
    }
}

pub async fn job_of_a_lost_worker_is_recovered_one_lease_after_the_end_of_its_lease_and_not_before(
    store: Arc<dyn Store>,
) {
    for (early, over) in [(1, false), (0, true), (-1, true)] {
        let harness = Harness::new(store.clone());
        let job = harness.accept(&super::user(early), &[phone(0)]).await;
        let held = harness.claim(job.id).await;
        let until = held.lease.until.unwrap() + harness.rules.lease;
        harness.clock.set(domain::Timestamp::from_millis(until.millis() - early));
        let stepped = harness.step(job.id, &Command::Recover).await;
        if over {
            let Stepped::Done { job, actions, .. } = stepped else { panic!("{early} ms early: {stepped:?}") };
            assert_eq!((job.status, job.lease.fence, job.dispatch.number), (Status::Queued, 2, 2));
            assert_eq!((job.lease.owner, job.due_at), (None, Some(harness.now() + harness.rules.enqueue_grace)));
            assert_eq!(actions, [Action::Enqueue]);
        } else {
            assert_eq!(stepped, Stepped::Refused { job: held, why: Refusal::NotDue });
        }
    }
}

pub async fn renewal_extends_the_lease(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let held = harness.claim(job.id).await;
    harness.pass(harness.rules.takeover_after() - MS);
    harness.done(job.id, Command::Renew { fence: held.lease.fence }).await;
    harness.pass(harness.rules.takeover_after() - MS);
    let why = harness.refused(job.id, Command::Claim { owner: nonce(2) }).await;
    assert_eq!(why, Refusal::LeaseHeld { until: harness.now() + MS });
    harness.pass(MS);
    harness.done(job.id, Command::Claim { owner: nonce(2) }).await;
}

pub async fn missing_job_cannot_be_claimed(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    assert_eq!(harness.step(job_id(9), &Command::Claim { owner: nonce(1) }).await, Stepped::NoSuchJob);
    assert_eq!(harness.store.job(job_id(9)).await.unwrap(), None);
}

pub async fn a_job_that_ended_cannot_be_claimed(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let done = harness.transcribe(&ann(), &phone(0), &[(0, 900, "over")]).await;
    let why = harness.refused(done.id, Command::Claim { owner: nonce(7) }).await;
    assert_eq!(why, Refusal::Finished(Status::Completed));
    let cancelled = harness.accept(&ann(), &[phone(500)]).await;
    harness.done(cancelled.id, Command::Cancel).await;
    let why = harness.refused(cancelled.id, Command::Claim { owner: nonce(7) }).await;
    assert_eq!(why, Refusal::Finished(Status::Cancelled));
}

pub async fn the_claim_after_the_last_attempt_ends_the_job(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    for attempt in 1..=harness.rules.max_attempts {
        assert_eq!(harness.claim(job.id).await.attempt, attempt);
        harness.pass(harness.rules.takeover_after());
    }
    let ended = harness.claim(job.id).await;
    assert_eq!(ended.status, Status::Failed);
    assert_eq!(ended.error.as_ref().map(|error| error.code), Some(domain::Code::WorkerLost));
    assert_eq!(harness.job(job.id).await, ended);
}
