//! Every document is paid for: what a job costs from its creation to its end.

use std::sync::Arc;
use std::time::Duration;

use domain::placement::Answer;
use domain::{Command, Job};
use flow::ports::{JobQuery, JobStore, MaintenanceStore, Page};
use testkit::Harness;
use testkit::build::{batch_as, job_id, phone, speech, uid};
use tokio::time::Instant;

use super::store_or_skip;
use crate::firestore::table::jobs;
use crate::firestore::unit_of_work::{Mode, Unit};
use crate::firestore::{FirestoreStore, Settings};

/// The documents that a job with one recording reads and writes, with groups of this many segments.
async fn cost(harness: &Harness, spent: impl Fn() -> (u64, u64), secs: i64, groups: &[u32]) -> (u64, u64) {
    let before = spent();
    let job = harness.accept(&uid("ann"), &[phone(secs)]).await;
    harness.done(job.id, Command::Enqueued { number: 1, schedule: None }).await;
    let job = harness.claim(job.id).await;
    let starts: Vec<u32> = (0..groups.iter().sum()).map(|n| n * 2000).collect();
    let spans: Vec<_> = starts.iter().map(|start| (*start, start + 1000)).collect();
    let (_, recording) = harness.plan(&job, 0, speech(&spans)).await;
    assert!(harness.store.lines(&uid("ann"), recording.id, &starts).await.unwrap().is_empty());
    let mut left = starts.as_slice();
    for group in groups {
        let (these, rest) = left.split_at(*group as usize);
        left = rest;
        // Storing texts renews the lease.
        harness.pass(Duration::from_secs(1));
        let lines: Vec<_> =
            these.iter().map(|start| testkit::build::line_for(&recording, *start, "some words")).collect();
        harness.try_store(&job, &lines).await;
        let answers: Vec<_> = these.iter().map(|start| (*start, Answer::Text)).collect();
        harness.place(&job, 0, &answers).await;
    }
    let job = harness.finish(&job).await;
    assert_eq!(job.status, domain::Status::Completed);
    (spent().0 - before.0, spent().1 - before.1)
}

#[tokio::test]
async fn job_stays_within_document_budget() {
    let store = store_or_skip!();
    let harness = Harness::new(store.clone());
    let spent = || store.client.spent.so_far();
    for (n, groups) in [&[1][..], &[5], &[50], &[20, 20, 20]].into_iter().enumerate() {
        let (read, written) = cost(&harness, spent, 1000 * n as i64, groups).await;
        println!("groups of {groups:?} segments: {read} documents read, {written} written");
        let (groups, segments) = (groups.len() as u64, u64::from(groups.iter().sum::<u32>()));
        assert!(read <= 12 + 2 * segments + 8 * groups, "{read} read");
        assert!(written <= 12 + 2 * segments + 6 * groups, "{written} written");
    }
}

/// Firestore deletes expired jobs within a day; until then they are still in the list.
#[tokio::test]
async fn list_skips_many_expired_jobs_in_few_requests() {
    let store = store_or_skip!();
    let harness = Harness::new(store.clone());
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    let deadline = Instant::now() + store.client.settings.operation;
    let mut unit = Unit::new(&store.client, Mode::Optimistic, Vec::new(), deadline);
    for n in 0..400 {
        let mut expired = Job { id: job_id(1000 + n), expires_at: Some(harness.now()), ..job.clone() };
        expired.created_at = job.created_at + Duration::from_secs(n);
        jobs::create(&mut unit, &expired).unwrap();
    }
    unit.commit().await.unwrap();
    let before = store.client.fault_script.requests();
    let listed = store.jobs(&JobQuery::all(&uid("ann"), Page::first(1), harness.now())).await.unwrap();
    assert_eq!(listed, [job]);
    let asked = store.client.fault_script.requests() - before;
    assert!(asked <= 6, "{asked} requests");
}

#[tokio::test]
async fn stuck_user_search_returns_what_it_found_in_time() {
    let settings = match super::settings() {
        Ok(settings) => settings,
        Err(why) => testkit::skip!(why),
    };
    let patient = Arc::new(FirestoreStore::new(settings.clone()));
    let mut harness = Harness::new(patient.clone());
    harness.rules.enqueued_per_user = 1;
    for (n, user) in (0..).step_by(2).zip(["ann", "bob", "eve"]) {
        for n in [n, n + 1] {
            harness.accept_batch(&batch_as(job_id(n), &uid(user), &[phone(n.cast_signed())])).await;
        }
    }
    harness.rules.enqueued_per_user = 2;
    assert_eq!(patient.stuck_users(harness.at(), 10).await.unwrap().len(), 3);
    let hurried = FirestoreStore::new(Settings { spare: settings.operation, ..settings });
    assert_eq!(hurried.stuck_users(harness.at(), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn old_deletions_are_not_read() {
    let store = store_or_skip!();
    let harness = Harness::new(store.clone());
    let ann = uid("ann");
    let gone = harness.transcribe(&ann, &phone(0), &[(0, 900, "gone")]).await.new_conversation_ids[0];
    let place = async |secs: i64| {
        let job = harness.accept(&ann, &[phone(secs)]).await;
        let job = harness.claim(job.id).await;
        harness.plan(&job, 0, speech(&[(0, 900), (200_000, 201_000), (400_000, 401_000)])).await;
        for start in [0, 200_000] {
            harness.say(&job, 0, &[(start, "said")]).await;
        }
        let recording = harness.recording(&job, 0).await;
        let last = testkit::build::line_for(&recording, 400_000, "last");
        harness.try_store(&job, &[last]).await;
        let before = store.client.spent.so_far().0;
        harness.place(&job, 0, &[(400_000, Answer::Text)]).await;
        store.client.spent.so_far().0 - before
    };
    let undisturbed = place(10_000).await;
    assert!(harness.delete(&ann, gone).await);
    assert_eq!(place(20_000).await, undisturbed + 2, "both conversations of the recording are looked at");
    harness.pass(Duration::from_secs(3601));
    assert_eq!(place(30_000).await, undisturbed);
}
