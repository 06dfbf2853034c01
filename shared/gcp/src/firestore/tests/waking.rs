//! Watchers are woken by the commits of other processes too, only later.

use std::sync::Arc;
use std::time::Duration;

use flow::ports::Feed;
use testkit::Harness;
use testkit::build::{phone, uid};

use crate::firestore::{FirestoreStore, Settings};

#[tokio::test]
async fn watchers_look_regularly_for_writes_of_other_processes() {
    let settings = match super::settings() {
        Ok(settings) => Settings { look_again: Duration::from_millis(20), ..settings },
        Err(why) => testkit::skip!(why),
    };
    let here = Arc::new(FirestoreStore::new(settings.clone()));
    let there = Harness::new(Arc::new(FirestoreStore::new(settings)));
    let mut watch = here.watch(&uid("ann"));
    let job = there.accept(&uid("ann"), &[phone(0)]).await;
    let policy = Duration::from_secs(10);
    tokio::time::timeout(policy, watch.woken()).await.unwrap();
    assert_eq!(Harness::new(here.clone()).job(job.id).await, job);
    drop(watch);
    let mut again = here.watch(&uid("bob"));
    for _ in 0..2 {
        tokio::time::timeout(policy, again.woken()).await.unwrap();
    }
}
