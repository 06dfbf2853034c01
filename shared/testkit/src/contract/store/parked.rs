//! A job that waits for an engine, its storage or a budget holds no slot, and takes one again when its wait is over.

use std::sync::Arc;
use std::time::Duration;

use domain::job::{DispatchState, WaitingFor};
use domain::{Command, Job, JobId, PutBack, Refusal, Status};
use flow::ports::{Stepped, Store};

use super::{MS, ann};
use crate::build::{batch_as, job_id, phone};
use crate::harness::Harness;

const MINUTE: Duration = Duration::from_secs(60);

/// As many jobs as there are slots, numbered from 1, and two that wait; the smaller the number, the older the
/// recording.
async fn six_jobs(store: Arc<dyn Store>) -> Harness {
    let harness = Harness::new(store);
    for n in 1..=6 {
        harness.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64 * 1000)])).await;
    }
    harness
}

async fn put_back(harness: &Harness, n: u64, cause: PutBack) -> (Job, Vec<JobId>) {
    let job = harness.claim(job_id(n)).await;
    let command = Command::PutBack { fence: job.lease.fence, cause, jitter: 1.0, explanation: None };
    match harness.step(job.id, &command).await {
        Stepped::Done { job, promoted, .. } => (job, promoted.iter().map(|job| job.id).collect()),
        other => panic!("{other:?}"),
    }
}

async fn promoted(harness: &Harness) -> Vec<JobId> {
    let promoted = harness.store.promote(&ann(), harness.at()).await.unwrap();
    promoted.iter().map(|job| job.id).collect()
}

pub async fn job_waiting_for_a_service_holds_no_slot(store: Arc<dyn Store>) {
    let harness = six_jobs(store).await;
    let causes = [
        (1, PutBack::Engine { retry_after: None }, WaitingFor::Engine),
        (2, PutBack::Storage { retry_after: None }, WaitingFor::Storage),
        (3, PutBack::Budget { until: harness.now() + 60 * MINUTE }, WaitingFor::Budget),
    ];
    for (n, cause, waiting_for) in causes {
        let (job, others) = put_back(&harness, n, cause).await;
        assert_eq!((job.dispatch.state, job.waiting_for), (DispatchState::Waiting, Some(waiting_for)));
        assert!(!job.holds_slot() && job.is_parked() && !job.waits_for_slot());
        assert_eq!(others, [], "the service may be unavailable for the next job, too");
    }
    assert_eq!(harness.store.stuck_users(harness.at(), 10).await.unwrap(), [ann()], "until the next sweep");
    assert_eq!(promoted(&harness).await, [5, 6].map(job_id), "one slot of the three is left");
    assert_eq!(
        harness.store.stuck_users(harness.at(), 10).await.unwrap(),
        [],
        "a parked job is not waiting for a slot"
    );
}

pub async fn job_in_an_unsupported_language_frees_its_slot_at_once(store: Arc<dyn Store>) {
    let harness = six_jobs(store).await;
    let (job, others) = put_back(&harness, 1, PutBack::Language).await;
    assert_eq!((job.waiting_for, job.attempt), (Some(WaitingFor::Engine), 0));
    assert_eq!(others, [job_id(5)]);
    assert_eq!(put_back(&harness, 2, PutBack::Language).await.1, [job_id(6)]);
}

pub async fn job_takes_a_free_slot_when_its_wait_is_over(store: Arc<dyn Store>) {
    let harness = six_jobs(store).await;
    let (parked, _) = put_back(&harness, 1, PutBack::Engine { retry_after: Some(5 * MINUTE) }).await;
    harness.clock.set(parked.due_at.unwrap() - MS);
    assert_eq!(harness.refused(parked.id, Command::TakeSlot).await, Refusal::NotDue);
    harness.pass(MS);
    let job = harness.done(parked.id, Command::TakeSlot).await;
    assert_eq!((job.dispatch.state, job.dispatch.number), (DispatchState::Pending, parked.dispatch.number + 1));
    assert_eq!((job.waiting_for, job.waiting_until), (None, None));
    assert_eq!(job.waiting_since, parked.waiting_since, "the wait continues until there is progress");
    assert_eq!(job.due_at, Some(harness.now() + harness.rules.enqueue_grace));
    assert_eq!(harness.done(parked.id, Command::TakeSlot).await, job, "once");
    assert_eq!(promoted(&harness).await, [], "it keeps its slot");
}

pub async fn job_queues_by_age_of_its_recording_when_its_wait_is_over(store: Arc<dyn Store>) {
    let harness = six_jobs(store).await;
    let (parked, _) = put_back(&harness, 1, PutBack::Language).await;
    harness.clock.set(parked.due_at.unwrap());
    let job = harness.done(parked.id, Command::TakeSlot).await;
    assert!(job.waits_for_slot(), "{job:?}");
    assert_eq!((job.waiting_for, job.waiting_since), (Some(WaitingFor::Turn), None));
    assert_eq!(harness.done(parked.id, Command::TakeSlot).await, job, "once");
    let Stepped::Done { promoted, .. } = harness.step(job_id(2), &Command::Cancel).await else {
        panic!("not cancelled")
    };
    assert_eq!(promoted.iter().map(|job| job.id).collect::<Vec<_>>(), [job_id(1)], "before a younger one");
}

pub async fn postponed_job_holds_no_slot(store: Arc<dyn Store>) {
    let harness = six_jobs(store).await;
    let until = harness.now() + 5 * MINUTE;
    let job =
        harness.done(job_id(1), Command::Postpone { until, waiting_for: WaitingFor::Engine, explanation: None }).await;
    assert!(job.is_parked() && job.due_at == Some(until), "{job:?}");
    assert_eq!(promoted(&harness).await, [job_id(5)]);
}

pub async fn a_parked_job_can_be_woken_and_cancelled(store: Arc<dyn Store>) {
    let harness = six_jobs(store).await;
    let (parked, _) = put_back(&harness, 1, PutBack::Engine { retry_after: Some(5 * MINUTE) }).await;
    let job = harness.done(parked.id, Command::Wake).await;
    assert!(job.is_parked() && job.due_at == Some(harness.now()), "{job:?}");
    assert_eq!(harness.done(parked.id, Command::Wake).await, job, "once");
    assert!(harness.done(parked.id, Command::TakeSlot).await.holds_slot());
    put_back(&harness, 2, PutBack::Engine { retry_after: None }).await;
    let cancelled = harness.done(job_id(2), Command::Cancel).await;
    assert_eq!((cancelled.status, cancelled.waiting_for), (Status::Cancelled, None));
}

pub async fn job_that_yields_to_others_keeps_its_slot_and_attempts(store: Arc<dyn Store>) {
    let harness = six_jobs(store).await;
    let (job, others) = put_back(&harness, 1, PutBack::YieldToOthers).await;
    assert_eq!((job.dispatch.state, job.attempt, job.waiting_for), (DispatchState::Pending, 0, None));
    assert_eq!((job.due_at, others), (Some(harness.now()), vec![]));
}
