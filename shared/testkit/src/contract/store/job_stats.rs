//! Figures for the operator: how many jobs there are, and how many are due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::job::WaitingFor;
use domain::{Command, PutBack, Status};
use flow::ports::{JobStats, Store};

use super::{MS, ann, bob, partly_failed};
use crate::build::phone;
use crate::harness::Harness;

async fn job_stats(harness: &Harness) -> JobStats {
    harness.ask(|| harness.store.job_stats(harness.now())).await
}

/// The statuses that some job has, with their counts. Every status must be reported.
async fn counted(harness: &Harness) -> BTreeMap<&'static str, u64> {
    let by_status = job_stats(harness).await.by_status;
    assert_eq!(by_status.iter().map(|(status, _)| *status).collect::<Vec<_>>(), Status::ALL);
    by_status.into_iter().filter(|(_, jobs)| *jobs > 0).map(|(status, jobs)| (status.as_str(), jobs)).collect()
}

pub async fn jobs_are_counted_by_status_from_acceptance_to_deletion(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    assert_eq!(counted(&harness).await, BTreeMap::new());
    let job = harness.accept(&ann(), &[phone(0)]).await;
    harness.accept(&bob(), &[phone(0)]).await;
    assert_eq!(counted(&harness).await, BTreeMap::from([("queued", 2)]));
    let job = harness.claim(job.id).await;
    assert_eq!(counted(&harness).await, BTreeMap::from([("queued", 1), ("processing", 1)]));
    harness.work(&job, 0, &[(0, 900, "fine")]).await;
    let job = harness.finish(&job).await;
    assert_eq!(counted(&harness).await, BTreeMap::from([("queued", 1), ("completed", 1)]));
    partly_failed(&harness, &bob()).await;
    assert_eq!(counted(&harness).await, BTreeMap::from([("queued", 1), ("completed", 1), ("partial_failure", 1)]));

    let fence = job.lease.fence;
    for command in [Command::PushDone { fence }, Command::AudioGone { fence }, Command::CleanedUp { fence }] {
        harness.done(job.id, command).await;
    }
    let expires_at = harness.job(job.id).await.expires_at.unwrap();
    harness.clock.set(expires_at);
    harness.done(job.id, Command::Expire).await;
    assert_eq!(counted(&harness).await, BTreeMap::from([("queued", 1), ("partial_failure", 1)]), "forgotten");
}

pub async fn due_jobs_are_reported_from_their_moment_on(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let due = job.due_at.unwrap();
    harness.clock.set(due - MS);
    assert_eq!(job_stats(&harness).await.oldest_due, None);
    harness.pass(MS);
    assert_eq!(job_stats(&harness).await.oldest_due, Some(due));
    harness.pass(Duration::from_secs(7));
    harness.accept(&bob(), &[phone(0)]).await;
    let stats = job_stats(&harness).await;
    assert_eq!((stats.oldest_due, stats.effects_due), (Some(due), 0), "queued jobs have no effects");
}

pub async fn finished_jobs_with_pending_effects_are_counted(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.transcribe(&ann(), &phone(0), &[(0, 900, "fine")]).await;
    harness.clock.set(job.due_at.unwrap());
    assert_eq!(job_stats(&harness).await.effects_due, 1);
    let fence = job.lease.fence;
    for command in [Command::PushDone { fence }, Command::AudioGone { fence }, Command::CleanedUp { fence }] {
        harness.done(job.id, command).await;
    }
    assert_eq!(job_stats(&harness).await.effects_due, 0);
}

/// The number of jobs that wait for each thing, in the order of [`WaitingFor::ALL`].
async fn waiting(harness: &Harness) -> [u64; 4] {
    let waiting = job_stats(harness).await.waiting;
    assert_eq!(waiting.iter().map(|(what, _)| *what).collect::<Vec<_>>(), WaitingFor::ALL);
    std::array::from_fn(|n| waiting[n].1)
}

pub async fn queued_jobs_are_counted_by_what_they_wait_for(store: Arc<dyn Store>) {
    let mut harness = Harness::new(store);
    harness.rules.enqueued_per_user = 1;
    assert_eq!(waiting(&harness).await, [0; 4]);
    let first = harness.accept(&ann(), &[phone(0)]).await;
    let second = harness.accept(&ann(), &[phone(100)]).await;
    harness.accept(&ann(), &[phone(200)]).await;
    assert_eq!(waiting(&harness).await, [2, 0, 0, 0]);
    let put_back = async |id, cause| {
        let job = harness.claim(id).await;
        let fence = job.lease.fence;
        harness.done(id, Command::PutBack { fence, cause, jitter: 1.0, explanation: None }).await
    };
    put_back(first.id, PutBack::Engine { retry_after: None }).await;
    put_back(second.id, PutBack::Budget { until: harness.now() + Duration::from_secs(60) }).await;
    assert_eq!(waiting(&harness).await, [1, 1, 1, 0]);
    put_back(second.id, PutBack::Storage { retry_after: None }).await;
    assert_eq!(waiting(&harness).await, [1, 1, 0, 1]);
    harness.claim(first.id).await;
    assert_eq!(waiting(&harness).await, [1, 0, 0, 1], "it is at work");
    harness.done(second.id, Command::Cancel).await;
    assert_eq!(waiting(&harness).await[3], 0);
}

pub async fn oldest_unfinished_job_is_reported_until_it_ends(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    assert_eq!(job_stats(&harness).await.oldest_unfinished, None);
    let first = harness.accept(&ann(), &[phone(0)]).await;
    harness.pass(Duration::from_secs(7));
    let second = harness.accept(&bob(), &[phone(0)]).await;
    assert_eq!(job_stats(&harness).await.oldest_unfinished, Some(first.created_at));
    harness.claim(first.id).await;
    assert_eq!(job_stats(&harness).await.oldest_unfinished, Some(first.created_at), "it has not ended");
    harness.done(first.id, Command::Cancel).await;
    assert_eq!(job_stats(&harness).await.oldest_unfinished, Some(second.created_at));
    harness.done(second.id, Command::Cancel).await;
    assert_eq!(job_stats(&harness).await.oldest_unfinished, None);
}
