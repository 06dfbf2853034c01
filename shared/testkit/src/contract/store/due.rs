//! Which jobs are due: the only question of the sweep.

use std::sync::Arc;
use std::time::Duration;

use domain::{Command, JobId};
use flow::ports::{DueCursor, Page, Store};

use super::{MS, ann, bob, user};
use crate::build::{batch_as, job_id, phone};
use crate::harness::Harness;

async fn due(harness: &Harness, after: Option<DueCursor>, limit: usize) -> Vec<JobId> {
    let jobs = harness.store.due_jobs(harness.now(), Page { after, limit }).await.unwrap();
    jobs.iter().map(|job| job.id).collect()
}

pub async fn job_is_due_at_its_moment_and_not_before(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    harness.clock.set(job.due_at.unwrap() - MS);
    assert_eq!(due(&harness, None, 10).await, []);
    harness.pass(MS);
    assert_eq!(due(&harness, None, 10).await, [job.id]);
    harness.pass(MS);
    assert_eq!(harness.store.due_jobs(harness.now(), Page::first(10)).await.unwrap(), [job], "whole jobs");
}

pub async fn longest_due_job_comes_first_across_users(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    for (n, uid) in [(3, ann()), (1, bob()), (2, ann())] {
        harness.accept_batch(&batch_as(job_id(n), &uid, &[phone(n as i64)])).await;
        harness.pass(MS);
    }
    harness.pass(Duration::from_secs(60));
    assert_eq!(due(&harness, None, 10).await, [3, 1, 2].map(job_id));
    assert_eq!(due(&harness, None, 2).await, [3, 1].map(job_id));
    harness.claim(job_id(3)).await;
    assert_eq!(due(&harness, None, 10).await, [1, 2].map(job_id), "a processing job is due when its lease ends");
}

pub async fn pages_of_any_size_show_every_due_job_once(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    for n in [5, 3, 1, 2, 4, 6] {
        harness.accept_batch(&batch_as(job_id(n), &user(n as i64), &[phone(0)])).await;
        if n == 1 {
            harness.pass(MS);
        }
    }
    harness.pass(Duration::from_secs(60));
    for size in 1..=7 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = harness.store.due_jobs(harness.now(), Page { after, limit: size }).await.unwrap();
            let Some(last) = page.last() else { break };
            after = DueCursor::of(last);
            assert!(page.len() <= size);
            seen.extend(page.iter().map(|job| job.id));
        }
        assert_eq!(seen, [1, 3, 5, 2, 4, 6].map(job_id), "pages of {size}");
    }
}

pub async fn handled_job_is_not_due_again(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    harness.pass(harness.rules.enqueue_grace);
    assert_eq!(due(&harness, None, 10).await, [job.id]);
    harness.done(job.id, Command::Enqueued { number: 1, schedule: None }).await;
    assert_eq!(due(&harness, None, 10).await, []);
    let ended = harness.done(job.id, Command::Cancel).await;
    harness.done(job.id, Command::CleanedUp { fence: ended.lease.fence }).await;
    harness.clock.set(harness.job(job.id).await.expires_at.unwrap());
    assert_eq!(due(&harness, None, 10).await, [job.id], "to be forgotten");
    harness.done(job.id, Command::Expire).await;
    assert_eq!(due(&harness, None, 10).await, []);
}
