//! Jobs that were written by a clock that ran ahead are found, and made due now.

use std::sync::Arc;
use std::time::Duration;

use domain::job::{DispatchState, WaitingFor};
use domain::repair::{Repair, needed_repair};
use domain::transition::{is_from_clock_ahead, latest_plausible_due};
use domain::{Command, Job, JobId, PutBack, Refusal, Status, Timestamp};
use flow::ports::{DueCursor, Page, Store};

use super::{MS, ann, user};
use crate::build::{batch_as, job_id, phone};
use crate::harness::Harness;

const DAY: Duration = Duration::from_secs(86_400);

async fn beyond(harness: &Harness, statuses: &[Status], at: Timestamp, limit: usize) -> Vec<JobId> {
    let jobs = harness.store.due_beyond(statuses, at, Page::first(limit)).await.unwrap();
    jobs.iter().map(|job| job.id).collect()
}

/// Runs a future while the clock is three days ahead.
async fn with_clock_ahead<T>(harness: &Harness, does: impl Future<Output = T>) -> T {
    let now = harness.now();
    harness.pass(3 * DAY);
    let done = does.await;
    harness.clock.set(now);
    done
}

/// The sweep finds the job and corrects it, so that it is due now or at its proper time.
async fn is_corrected(harness: &Harness, job: &Job) -> Job {
    let from = latest_plausible_due(job.status, harness.now(), &harness.rules);
    assert_eq!(beyond(harness, &[job.status], from, 10).await, [job.id], "{job:?}");
    assert!(is_from_clock_ahead(job, harness.now(), &harness.rules));
    let after = harness.done(job.id, Command::CorrectClock).await;
    assert_eq!((after.updated_at, harness.job(job.id).await), (harness.now(), after.clone()));
    assert!(!is_from_clock_ahead(&after, harness.now(), &harness.rules));
    assert_eq!(beyond(harness, &[job.status], from, 10).await, []);
    assert_eq!(harness.refused(job.id, Command::CorrectClock).await, Refusal::NotDue);
    after
}

pub async fn jobs_due_after_a_moment_are_found_by_status_soonest_first(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    for n in [5, 3, 1, 2, 4, 6] {
        harness.accept_batch(&batch_as(job_id(n), &user(n as i64), &[phone(0)])).await;
        if n == 1 {
            harness.pass(MS);
        }
    }
    let claimed = harness.claim(job_id(6)).await;
    let first = harness.job(job_id(1)).await.due_at.unwrap();
    let queued = [Status::Queued];
    assert_eq!(beyond(&harness, &queued, first - MS, 10).await, [1, 3, 5, 2, 4].map(job_id));
    assert_eq!(beyond(&harness, &queued, first - MS, 2).await, [1, 3].map(job_id));
    assert_eq!(
        beyond(&harness, &queued, first, 10).await,
        [2, 4].map(job_id),
        "later than the moment, not equal to it"
    );
    assert_eq!(beyond(&harness, &[Status::Processing], first, 10).await, [claimed.id]);
    let both = [Status::Processing, Status::Queued];
    assert_eq!(beyond(&harness, &both, first, 10).await, [2, 4, 6].map(job_id));
    assert_eq!(beyond(&harness, &[Status::Failed], first, 10).await, []);
    for size in 1..=6 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = harness.store.due_beyond(&both, first - MS, Page { after, limit: size }).await.unwrap();
            let Some(last) = page.last() else { break };
            after = DueCursor::of(last);
            assert!(page.len() <= size);
            seen.extend(page.iter().map(|job| job.id));
        }
        assert_eq!(seen, [1, 3, 5, 2, 4, 6].map(job_id), "pages of {size}");
    }
}

pub async fn queued_job_written_by_a_clock_ahead_is_due_now(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let schedule = Some(harness.now() + 3 * DAY);
    let job = with_clock_ahead(&harness, harness.done(job.id, Command::Enqueued { number: 1, schedule })).await;
    let after = is_corrected(&harness, &job).await;
    assert_eq!((after.due_at, after.dispatch.not_before), (Some(harness.now()), None));
    assert_eq!(
        (after.dispatch.state, after.dispatch.number),
        (DispatchState::Pending, 2),
        "its task is scheduled for that time, too"
    );
}

pub async fn waiting_job_written_by_a_clock_ahead_is_due_now(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let postpone = Command::Postpone {
        until: harness.now() + 3 * DAY + DAY / 24,
        waiting_for: WaitingFor::Engine,
        explanation: None,
    };
    let job = with_clock_ahead(&harness, harness.done(job.id, postpone)).await;
    let after = is_corrected(&harness, &job).await;
    assert!(after.is_parked());
    assert_eq!((after.due_at, after.waiting_since), (Some(harness.now()), Some(harness.now())));
    assert_eq!(needed_repair(&after, harness.now(), &harness.rules), Repair::TakeSlot);
}

pub async fn lease_written_by_a_clock_ahead_ends_now(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = with_clock_ahead(&harness, harness.claim(job.id)).await;
    let after = is_corrected(&harness, &job).await;
    assert_eq!((after.held_until(&harness.rules), after.due_at), (Some(harness.now()), Some(harness.now())));
    assert_eq!(needed_repair(&after, harness.now(), &harness.rules), Repair::Recover);
    assert_eq!(harness.done(job.id, Command::Recover).await.status, Status::Queued);
}

pub async fn upload_session_written_by_a_clock_ahead_expires_counted_from_now(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let names = [phone(0)];
    let job = with_clock_ahead(&harness, harness.session(&ann(), &names)).await;
    let after = is_corrected(&harness, &job).await;
    assert_eq!(after.due_at, Some(harness.now() + harness.rules.upload_session));
}

pub async fn job_ended_by_a_clock_ahead_is_cleaned_up_in_time(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = with_clock_ahead(&harness, async {
        let job = harness.done(job.id, Command::Cancel).await;
        harness.done(job.id, Command::CleanedUp { fence: job.lease.fence }).await
    })
    .await;
    let later = harness.now() + 2 * DAY;
    assert_eq!(job.due_at, Some(later + DAY + harness.rules.retention), "three days late");
    let after = is_corrected(&harness, &job).await;
    assert_eq!(after.expires_at, Some(harness.now() + harness.rules.retention));
    assert_eq!(after.due_at, after.expires_at);
}

pub async fn correct_job_is_not_changed(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let asked = PutBack::Engine { retry_after: Some(3 * DAY) };
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let fence = job.lease.fence;
    let job = harness.done(job.id, Command::PutBack { fence, cause: asked, jitter: 0.0, explanation: None }).await;
    assert_eq!(job.due_at, Some(harness.now() + 3 * DAY), "as a provider asked");
    assert_eq!(harness.refused(job.id, Command::CorrectClock).await, Refusal::NotDue);
    for n in 1..=4 {
        harness.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64)])).await;
    }
    let waits = harness.accept_batch(&batch_as(job_id(5), &ann(), &[phone(5)])).await;
    assert!(waits.waits_for_slot() && waits.due_at > Some(harness.now() + 20 * DAY));
    assert_eq!(harness.refused(waits.id, Command::CorrectClock).await, Refusal::NotDue);
}

pub async fn change_after_the_clock_was_set_back_has_its_own_time(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = with_clock_ahead(&harness, harness.done(job.id, Command::Enqueued { number: 1, schedule: None })).await;
    assert!(job.updated_at > harness.now() + 2 * DAY);
    harness.pass(MS);
    assert_eq!(harness.done(job.id, Command::Cancel).await.updated_at, harness.now());
}
