//! Listing a user's jobs, newest first, page by page.

use std::sync::Arc;

use domain::{Command, JobId, Status, Timestamp};
use flow::ports::{JobCursor, JobQuery, Page, Store};

use super::{MS, ann, bob};
use crate::build::{batch_as, job_id, phone};
use crate::harness::Harness;

/// Jobs 1 to 7: two of one moment, three of the next, two of the one after that.
async fn seven_jobs(store: Arc<dyn Store>) -> Harness {
    let harness = Harness::new(store);
    for n in [2, 1, 4, 3, 5, 7, 6] {
        harness.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64)])).await;
        if n == 1 || n == 5 {
            harness.pass(MS);
        }
    }
    harness
}

async fn list(harness: &Harness, statuses: &[Status], after: Option<JobCursor>, limit: usize) -> Vec<JobId> {
    let all = JobQuery::all(&ann(), Page { after, limit }, harness.now());
    let jobs = harness.store.jobs(&JobQuery { statuses: statuses.to_vec(), ..all }).await.unwrap();
    jobs.iter().map(|job| job.id).collect()
}

pub async fn jobs_are_listed_newest_first(store: Arc<dyn Store>) {
    let harness = seven_jobs(store).await;
    assert_eq!(list(&harness, &[], None, 100).await, [7, 6, 5, 4, 3, 2, 1].map(job_id));
    assert_eq!(list(&harness, &[], None, 3).await, [7, 6, 5].map(job_id));
    let jobs = harness.store.jobs(&JobQuery::all(&ann(), Page::first(1), harness.now())).await.unwrap();
    assert_eq!(jobs, [harness.job(job_id(7)).await], "whole jobs");
}

pub async fn pages_of_any_size_show_every_job_once(store: Arc<dyn Store>) {
    let harness = seven_jobs(store).await;
    for size in 1..=8 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let query = JobQuery::all(&ann(), Page { after, limit: size }, harness.now());
            let page = harness.store.jobs(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(JobCursor::of(last));
            assert!(page.len() <= size);
            seen.extend(page.iter().map(|job| job.id));
        }
        assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1].map(job_id), "pages of {size}");
    }
}

pub async fn status_filter_applies_before_paging(store: Arc<dyn Store>) {
    let harness = seven_jobs(store).await;
    harness.done(job_id(2), Command::Cancel).await;
    harness.done(job_id(5), Command::Cancel).await;
    harness.claim(job_id(3)).await;
    assert_eq!(list(&harness, &[Status::Cancelled], None, 100).await, [5, 2].map(job_id));
    assert_eq!(list(&harness, &[Status::Cancelled, Status::Processing], None, 2).await, [5, 3].map(job_id));
    let after = Some(JobCursor::of(&harness.job(job_id(3)).await));
    assert_eq!(list(&harness, &[Status::Cancelled, Status::Processing], after, 2).await, [job_id(2)]);
    assert_eq!(list(&harness, &[Status::Completed], None, 100).await.len(), 0);
}

pub async fn expired_jobs_are_left_out_from_their_moment_on(store: Arc<dyn Store>) {
    let harness = seven_jobs(store).await;
    let done = harness.done(job_id(4), Command::Cancel).await;
    harness.done(done.id, Command::CleanedUp { fence: done.lease.fence }).await;
    let end = harness.job(done.id).await.expires_at.unwrap();
    for (late, shown) in [(-1, true), (0, false), (1, false)] {
        harness.clock.set(Timestamp::from_millis(end.millis() + late));
        assert_eq!(list(&harness, &[], None, 100).await.contains(&done.id), shown, "{late} ms late");
    }
    assert_eq!(list(&harness, &[], None, 4).await, [7, 6, 5, 3].map(job_id), "and they do not count in a page");
}

pub async fn another_users_jobs_are_not_listed(store: Arc<dyn Store>) {
    let harness = seven_jobs(store).await;
    let theirs = harness.accept(&bob(), &[phone(0)]).await;
    assert_eq!(list(&harness, &[], None, 100).await.len(), 7);
    let jobs = harness.store.jobs(&JobQuery::all(&bob(), Page::first(100), harness.now())).await.unwrap();
    assert_eq!(jobs, [theirs]);
}

pub async fn earlier_live_jobs_are_counted_as_ahead(store: Arc<dyn Store>) {
    let harness = seven_jobs(store).await;
    harness.accept(&bob(), &[phone(0)]).await;
    let ahead = async |n| harness.store.jobs_ahead(&harness.job(job_id(n)).await).await.unwrap();
    assert_eq!([ahead(1).await, ahead(2).await, ahead(6).await, ahead(7).await], [0, 1, 5, 6]);
    harness.claim(job_id(2)).await;
    harness.done(job_id(3), Command::Cancel).await;
    assert_eq!([ahead(2).await, ahead(4).await], [1, 2], "a processing job counts, an ended one does not");
}
