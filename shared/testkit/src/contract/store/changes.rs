//! Jobs changed since a moment: the question of an app that was away.

use std::sync::Arc;

use domain::{Command, JobId, Timestamp};
use flow::ports::{ChangeCursor, ChangeQuery, Page, Store};

use super::{MS, ann, bob};
use crate::build::{T0, batch_as, job_id, phone};
use crate::harness::Harness;

/// Jobs 1 to 5, accepted one after another, the first two and the last two at the same moment.
async fn five_jobs(store: Arc<dyn Store>) -> Harness {
    let mut harness = Harness::new(store);
    // A job that gets in line is changed once more.
    harness.rules.enqueued_per_user = 5;
    for n in [2, 1, 3, 5, 4] {
        harness.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64)])).await;
        if n == 1 || n == 3 {
            harness.pass(MS);
        }
    }
    harness
}

async fn changed(harness: &Harness, since: Timestamp, after: Option<ChangeCursor>, limit: usize) -> Vec<JobId> {
    let query = ChangeQuery::of(&ann(), since, Page { after, limit }, harness.now());
    let jobs = harness.store.changed_jobs(&query).await.unwrap();
    jobs.iter().map(|job| job.id).collect()
}

pub async fn jobs_come_in_the_order_of_their_last_change(store: Arc<dyn Store>) {
    let harness = five_jobs(store).await;
    assert_eq!(changed(&harness, T0, None, 100).await, [1, 2, 3, 4, 5].map(job_id));
    harness.pass(MS);
    harness.done(job_id(2), Command::Enqueued { number: 1, schedule: None }).await;
    harness.pass(MS);
    harness.done(job_id(4), Command::Cancel).await;
    let mut expected = [1, 3].map(job_id).to_vec();
    let query = ChangeQuery::of(&ann(), T0, Page::first(100), harness.now());
    let jobs = harness.store.changed_jobs(&query).await.unwrap();
    expected.extend(jobs[2..].iter().map(|job| job.id));
    assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), expected);
    assert!(jobs.is_sorted_by_key(ChangeCursor::of));
    let last = jobs.last().unwrap();
    assert_eq!(*last, harness.job(last.id).await, "whole jobs");
    assert!(jobs.iter().any(|job| job.id == job_id(4) && job.status.is_terminal()));
}

pub async fn change_at_exactly_the_given_moment_is_included(store: Arc<dyn Store>) {
    let harness = five_jobs(store).await;
    for (since, first) in [(T0 - MS, 1), (T0, 1), (T0 + MS, 3), (T0 + 2 * MS, 4)] {
        let expected: Vec<_> = (first..=5).map(job_id).collect();
        assert_eq!(changed(&harness, since, None, 100).await, expected, "{since}");
    }
    assert_eq!(changed(&harness, T0 + 3 * MS, None, 100).await, []);
}

pub async fn pages_of_any_size_show_every_changed_job_once(store: Arc<dyn Store>) {
    let harness = five_jobs(store).await;
    for size in 1..=6 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let query = ChangeQuery::of(&ann(), T0, Page { after, limit: size }, harness.now());
            let page = harness.store.changed_jobs(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(ChangeCursor::of(last));
            assert!(page.len() <= size);
            seen.extend(page.iter().map(|job| job.id));
        }
        assert_eq!(seen, [1, 2, 3, 4, 5].map(job_id), "pages of {size}");
    }
    let before = ChangeCursor { updated_at: T0, id: job_id(1) };
    assert_eq!(
        changed(&harness, T0 + 2 * MS, Some(before), 100).await,
        [4, 5].map(job_id),
        "the later of cursor and moment applies"
    );
}

pub async fn expired_jobs_and_jobs_of_other_users_are_left_out(store: Arc<dyn Store>) {
    let harness = five_jobs(store).await;
    harness.accept(&bob(), &[phone(0)]).await;
    let done = harness.done(job_id(3), Command::Cancel).await;
    let gone = harness.done(done.id, Command::CleanedUp { fence: done.lease.fence }).await;
    harness.clock.set(gone.expires_at.unwrap() - MS);
    assert!(changed(&harness, T0, None, 100).await.contains(&done.id));
    harness.pass(MS);
    let left = changed(&harness, T0, None, 4).await;
    assert!(left.len() == 4 && !left.contains(&done.id), "and it does not count in a page");
}
