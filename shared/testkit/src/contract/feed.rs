//! The feed's contract, for a store that notifies at each commit: whoever watches a user's jobs is woken after a write.

use std::sync::Arc;

use domain::Command;
use flow::ports::{Feed, Store, Watch};
use futures_util::FutureExt;

use crate::build::{phone, speech, uid};
use crate::harness::Harness;

/// A store that announces its own commits.
pub trait FedStore: Store + Feed {}

impl<S: Store + Feed> FedStore for S {}

/// Whether there was a wake-up since the last call. The store wakes before it answers.
fn woken(watch: &mut Watch) -> bool {
    watch.woken().now_or_never().is_some()
}

pub async fn every_write_of_a_job_wakes_the_watch_of_its_user(store: Arc<dyn FedStore>) {
    let (harness, ann) = (Harness::new(store.clone()), uid("ann"));
    let mut watch = store.watch(&ann);
    assert!(!woken(&mut watch));
    let job = harness.accept(&ann, &[phone(0)]).await;
    assert!(woken(&mut watch), "accepted");
    let job = harness.claim(job.id).await;
    assert!(woken(&mut watch), "claimed");
    harness.plan(&job, 0, speech(&[(0, 900)])).await;
    assert!(woken(&mut watch), "planned");
    harness.store(&job, 0, &[(0, "one")]).await;
    assert!(woken(&mut watch), "texts stored");
    harness.place(&job, 0, &[(0, domain::placement::Answer::Text)]).await;
    assert!(woken(&mut watch), "placed");
    harness.finish(&job).await;
    assert!(woken(&mut watch) && !woken(&mut watch), "finished, once");
}

pub async fn opening_and_completing_an_upload_session_wakes_the_watch(store: Arc<dyn FedStore>) {
    let (harness, ann) = (Harness::new(store.clone()), uid("ann"));
    let mut watch = store.watch(&ann);
    let session = harness.session(&ann, &[phone(0)]).await;
    assert!(woken(&mut watch), "opened");
    harness.complete(&session).await;
    assert!(woken(&mut watch), "completed");
    let answered = harness.session(&ann, &[phone(0), phone(90)]).await;
    harness.accept(&ann, &[phone(90)]).await;
    assert!(woken(&mut watch), "accepted elsewhere");
    harness.complete(&answered).await;
    assert!(woken(&mut watch), "another job has its recordings");
}

pub async fn promoting_a_job_wakes_the_watch(store: Arc<dyn FedStore>) {
    let (harness, ann) = (Harness::new(store.clone()), uid("ann"));
    let mut jobs = Vec::new();
    for n in 0..=i64::from(harness.rules.enqueued_per_user) {
        jobs.push(harness.accept(&ann, &[phone(n)]).await);
    }
    let more = domain::Rules { enqueued_per_user: 100, ..domain::Rules::default() };
    let mut watch = store.watch(&ann);
    let at = flow::ports::At { now: harness.now(), rules: &more };
    assert_eq!(store.promote(&ann, at).await.unwrap().len(), 1);
    assert!(woken(&mut watch));
}

pub async fn write_of_another_user_does_not_wake_the_watch(store: Arc<dyn FedStore>) {
    let harness = Harness::new(store.clone());
    let mut watch = store.watch(&uid("ann"));
    let job = harness.accept(&uid("bob"), &[phone(0)]).await;
    harness.done(job.id, Command::Cancel).await;
    assert!(!woken(&mut watch));
}

/// The tests of a store that is its own feed.
#[macro_export]
macro_rules! feed_contract {
    ($make:expr) => {
        $crate::contract_tests! { feed_contract of feed, $make, [
            every_write_of_a_job_wakes_the_watch_of_its_user,
            opening_and_completing_an_upload_session_wakes_the_watch,
            promoting_a_job_wakes_the_watch,
            write_of_another_user_does_not_wake_the_watch,
        ] }
    };
}
