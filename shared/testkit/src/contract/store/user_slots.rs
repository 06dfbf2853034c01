//! Slots: a few jobs of a user are on their way at once; the others wait, and the oldest recording goes first.

use std::sync::Arc;

use domain::job::{DispatchState, WaitingFor};
use domain::repair::{Repair, needed_repair};
use domain::transition::gives_up_waiting_at;
use domain::{Command, Job, JobId, Nonce, Refusal, Status};
use flow::ports::{JobQuery, Page, Stepped, Store};

use super::{ann, bob};
use crate::build::{batch_as, job_id, nonce, phone};
use crate::harness::Harness;

/// Four jobs in their slots, and three that wait, whose recordings are younger the smaller their id.
async fn all_slots_taken(store: Arc<dyn Store>) -> Harness {
    let harness = Harness::new(store);
    for n in 1..=4 {
        harness.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64 * 1000)])).await;
    }
    for n in 5..=7 {
        harness.accept_batch(&batch_as(job_id(n), &ann(), &[phone(-1000 * n as i64)])).await;
    }
    harness
}

async fn waiting(harness: &Harness) -> Vec<JobId> {
    let all = JobQuery::all(&ann(), Page::first(100), harness.now());
    let jobs = harness.store.jobs(&JobQuery { statuses: vec![Status::Queued], ..all }).await.unwrap();
    let mut ids: Vec<_> = jobs.iter().filter(|job| !job.holds_slot()).map(|job| job.id).collect();
    ids.sort();
    ids
}

fn promoted(stepped: Stepped) -> Vec<JobId> {
    match stepped {
        Stepped::Done { promoted, .. } => promoted.iter().map(|job| job.id).collect(),
        other => panic!("{other:?}"),
    }
}

async fn finish_silent(harness: &Harness, id: JobId) -> Stepped {
    let job = harness.claim(id).await;
    for index in 0..job.files.len() {
        harness.plan(&job, index, domain::planning::Heard::Silence).await;
    }
    harness.step(id, &Command::Finish { fence: job.lease.fence }).await
}

pub async fn job_above_the_limit_waits_for_a_slot(store: Arc<dyn Store>) {
    let harness = all_slots_taken(store).await;
    assert_eq!(waiting(&harness).await, [5, 6, 7].map(job_id));
    let job = harness.job(job_id(5)).await;
    assert_eq!((job.dispatch.state, job.waiting_for), (DispatchState::Waiting, Some(WaitingFor::Turn)));
}

/// Seven new jobs, of which no slot has been counted since. (A store may have counted when it created them.)
async fn created_at_once(store: Arc<dyn Store>) -> Harness {
    let harness = Harness::new(store);
    for n in 1..=7 {
        harness.create(&batch_as(job_id(n), &ann(), &[phone(-1000 * n as i64)])).await;
    }
    harness
}

async fn settle(harness: &Harness, n: u64) -> Job {
    harness.done(job_id(n), Command::SettleSlot).await
}

pub async fn earliest_of_the_new_jobs_keep_their_slots(store: Arc<dyn Store>) {
    let harness = created_at_once(store).await;
    for n in (1..=7).rev() {
        assert_eq!(settle(&harness, n).await.holds_slot(), n <= 4, "job {n}");
    }
    assert_eq!(waiting(&harness).await, [5, 6, 7].map(job_id));
    // From here on everything is as if the slots had been counted at the creation.
    for n in 1..=4 {
        harness.done(job_id(n), Command::Enqueued { number: 1, schedule: None }).await;
    }
    assert_eq!(promoted(harness.step(job_id(2), &Command::Cancel).await), [job_id(7)]);
}

pub async fn crash_before_the_slots_are_counted_is_repaired_when_the_job_is_due(store: Arc<dyn Store>) {
    let harness = created_at_once(store).await;
    harness.pass(harness.rules.enqueue_grace);
    let due = harness.store.due_jobs(harness.now(), Page::first(10)).await.unwrap();
    let held: Vec<_> = due.iter().filter(|job| job.holds_slot()).collect();
    assert!(held.len() >= 4, "every job that holds a slot is looked at: {due:?}");
    for job in held {
        assert_eq!(needed_repair(job, harness.now(), &harness.rules), Repair::CheckTask);
        let gone = harness.done(job.id, Command::TaskGone { number: 1 }).await;
        harness.done(gone.id, Command::SettleSlot).await;
    }
    assert_eq!(waiting(&harness).await.len(), 3, "four jobs are on their way");
    assert_eq!(harness.store.stuck_users(harness.at(), 10).await.unwrap(), []);
}

pub async fn settled_slot_stays_settled(store: Arc<dyn Store>) {
    let harness = all_slots_taken(store).await;
    for n in 1..=7 {
        let settled = settle(&harness, n).await;
        assert_eq!(settle(&harness, n).await, settled, "once");
        assert_eq!(harness.job(job_id(n)).await, settled);
    }
    let job = harness.claim(job_id(5)).await;
    assert!(!job.holds_provisional_slot(), "five jobs hold a slot now, and none is to give it back");
    assert_eq!(harness.refused(job.id, Command::SettleSlot).await, Refusal::NotQueued(Status::Processing));
    for n in 1..=4 {
        harness.done(job_id(n), Command::Enqueued { number: 1, schedule: None }).await;
        assert!(settle(&harness, n).await.holds_slot(), "its task exists");
    }
}

pub async fn the_end_of_a_job_promotes_the_oldest_recording(store: Arc<dyn Store>) {
    let harness = all_slots_taken(store).await;
    let Stepped::Done { promoted, .. } = finish_silent(&harness, job_id(1)).await else { panic!("not finished") };
    let [next] = &promoted[..] else { panic!("not exactly one job was promoted: {promoted:?}") };
    assert_eq!((next.id, next.dispatch.state, next.waiting_for), (job_id(7), DispatchState::Pending, None));
    assert_eq!(next.due_at, Some(harness.now() + harness.rules.enqueue_grace));
    assert_eq!(harness.job(next.id).await, *next, "the returned job equals the stored one");
    assert_eq!(waiting(&harness).await, [5, 6].map(job_id));
}

pub async fn cancelled_job_frees_its_slot(store: Arc<dyn Store>) {
    let harness = all_slots_taken(store).await;
    assert_eq!(promoted(harness.step(job_id(2), &Command::Cancel).await), [job_id(7)]);
    assert_eq!(promoted(harness.step(job_id(2), &Command::Cancel).await), [], "once");
}

pub async fn cancelled_waiting_job_frees_no_slot(store: Arc<dyn Store>) {
    let harness = all_slots_taken(store).await;
    assert_eq!(promoted(harness.step(job_id(7), &Command::Cancel).await), []);
    assert_eq!(promoted(harness.step(job_id(1), &Command::Cancel).await), [job_id(6)]);
}

pub async fn job_that_gives_up_frees_its_slot(store: Arc<dyn Store>) {
    let harness = all_slots_taken(store).await;
    harness.clock.set(gives_up_waiting_at(&harness.job(job_id(1)).await, &harness.rules));
    assert_eq!(promoted(harness.step(job_id(1), &Command::GiveUpWaiting).await), [job_id(7)]);
}

pub async fn claim_that_ends_the_job_frees_its_slot(store: Arc<dyn Store>) {
    let harness = all_slots_taken(store).await;
    for _ in 0..harness.rules.max_attempts {
        harness.claim(job_id(1)).await;
        harness.pass(harness.rules.takeover_after());
    }
    let claim = Command::Claim { owner: Nonce(job_id(1).0) };
    assert_eq!(promoted(harness.step(job_id(1), &claim).await), [job_id(7)]);
    assert_eq!(harness.job(job_id(1)).await.status, Status::Failed);
}

pub async fn promote_fills_exactly_the_free_slots(store: Arc<dyn Store>) {
    let mut harness = all_slots_taken(store).await;
    assert_eq!(harness.store.promote(&ann(), harness.at()).await.unwrap(), []);
    harness.rules.enqueued_per_user = 6;
    let promoted = harness.store.promote(&ann(), harness.at()).await.unwrap();
    assert_eq!(promoted.iter().map(|job| job.id).collect::<Vec<_>>(), [7, 6].map(job_id));
    assert_eq!(harness.store.promote(&ann(), harness.at()).await.unwrap(), [], "once");
    assert_eq!(waiting(&harness).await, [job_id(5)]);
}

pub async fn stuck_users_have_a_free_slot_and_a_waiting_job(store: Arc<dyn Store>) {
    let mut harness = all_slots_taken(store).await;
    for n in 11..=15 {
        harness.accept_batch(&batch_as(job_id(n), &bob(), &[phone(n as i64)])).await;
    }
    assert_eq!(harness.store.stuck_users(harness.at(), 10).await.unwrap(), []);
    harness.rules.enqueued_per_user = 5;
    let mut stuck = harness.store.stuck_users(harness.at(), 10).await.unwrap();
    stuck.sort();
    assert_eq!(stuck, [ann(), bob()]);
    assert_eq!(harness.store.stuck_users(harness.at(), 1).await.unwrap().len(), 1, "at most as many as requested");
    harness.store.promote(&ann(), harness.at()).await.unwrap();
    harness.store.promote(&bob(), harness.at()).await.unwrap();
    assert_eq!(
        harness.store.stuck_users(harness.at(), 10).await.unwrap(),
        [],
        "bob has no waiting job, ann no free slot"
    );
}

pub async fn jobs_of_another_user_take_no_slots(store: Arc<dyn Store>) {
    let harness = all_slots_taken(store).await;
    let job = harness.accept(&bob(), &[phone(0)]).await;
    assert_eq!(job.dispatch.state, DispatchState::Pending);
    assert_eq!(promoted(harness.step(job.id, &Command::Cancel).await), [], "their end frees no slot either");
    assert_eq!(waiting(&harness).await, [5, 6, 7].map(job_id));
}

pub async fn retried_job_waits_when_no_slot_is_free(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let failed = failed_job(&harness, job_id(1)).await;
    for n in 2..=5 {
        harness.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64 * 1000)])).await;
    }
    let retried = harness.done(failed.id, Command::Retry { key: nonce(1) }).await;
    assert_eq!((retried.status, retried.dispatch.state), (Status::Queued, DispatchState::Waiting));
    assert_eq!(promoted(harness.step(job_id(3), &Command::Cancel).await), [failed.id]);
}

async fn failed_job(harness: &Harness, id: JobId) -> Job {
    harness.accept_batch(&batch_as(id, &ann(), &[phone(0)])).await;
    let job = harness.claim(id).await;
    let failure = domain::Failure::of(domain::Code::StagedAudioMissing);
    harness.done(id, Command::FailFile { fence: job.lease.fence, index: 0, failure }).await;
    harness.finish(&job).await
}

pub async fn unexpected_delivery_can_claim_a_waiting_job(store: Arc<dyn Store>) {
    let harness = all_slots_taken(store).await;
    let job = harness.claim(job_id(5)).await;
    assert!(job.holds_slot());
    assert_eq!(promoted(harness.step(job_id(1), &Command::Cancel).await), [], "five jobs had a slot, four are left");
}

pub async fn jobs_that_end_concurrently_promote_one_job_each(store: Arc<dyn Store>) {
    let harness = Arc::new(all_slots_taken(store).await);
    let end = |n| {
        let harness = harness.clone();
        tokio::spawn(async move { promoted(harness.step(job_id(n), &Command::Cancel).await) })
    };
    let tasks: Vec<_> = (1..=3).map(end).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort();
    assert_eq!(all, [5, 6, 7].map(job_id));
}

pub async fn jobs_created_concurrently_take_at_most_the_slots(store: Arc<dyn Store>) {
    let harness = Arc::new(Harness::new(store));
    let create = |n| {
        let harness = harness.clone();
        tokio::spawn(async move { harness.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64)])).await })
    };
    let tasks: Vec<_> = (1..=9).map(create).collect();
    let mut with_slot = 0;
    for task in tasks {
        with_slot += u32::from(task.await.unwrap().holds_slot());
    }
    assert_eq!(with_slot, harness.rules.enqueued_per_user);
}
