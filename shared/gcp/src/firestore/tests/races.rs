//! Concurrent calls: the first one wins, and all get the same answer.

use std::sync::Arc;
use std::time::Duration;

use domain::Command;
use domain::placement::Answer;
use flow::ports::{DeviceStore, JobStore, Stepped};
use testkit::build::{batch, batch_as, device, job_id, phone, uid};
use testkit::races::{one_of_many_claims_wins, one_of_many_equal_batches_becomes_a_job};
use testkit::snapshot::Snapshot;
use testkit::{Harness, memory};

use super::store_or_skip;
use crate::firestore::FirestoreStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_fifty_concurrent_claims_wins() {
    let store = store_or_skip!();
    let harness = Arc::new(Harness::new(store.clone()));
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    // Each has read a job that has no lease.
    store.client.fault_script.gather(50);
    let before = store.client.fault_script.commits();
    one_of_many_claims_wins(harness, job.id, 50).await;
    assert_eq!(store.client.fault_script.commits() - before, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_equal_concurrent_batches_becomes_a_job() {
    one_of_many_equal_batches_becomes_a_job(Arc::new(Harness::new(store_or_skip!())), 6).await;
}

/// The start times of the jobs' recordings: some touch, some are joined by a later one, some stand
/// alone.
const STARTS: [i64; 20] =
    [0, 60, 500, 130, 900, 1200, 1080, 990, 2000, 2100, 1900, 260, 380, 3000, 3121, 3242, 4000, 4060, 3940, 620];

/// The texts without the ids, which depend on which job was first.
async fn talk(harness: &Harness) -> Vec<Vec<String>> {
    let mut talk = harness.talk(&uid("ann")).await;
    talk.sort();
    talk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_placements_give_same_conversations_as_sequential_ones() {
    let ann = uid("ann");
    let said = |secs: i64| format!("at {secs}");
    let calm = Harness::new(Arc::new(memory::Store::new()));
    for secs in STARTS {
        calm.transcribe(&ann, &phone(secs), &[(0, 1000, &said(secs))]).await;
    }
    let store = store_or_skip!();
    let mut harness = Harness::new(store.clone());
    harness.rules.enqueued_per_user = 50;
    // All jobs are planned and have texts; only their placements are concurrent.
    let mut jobs = Vec::new();
    for secs in STARTS {
        let job = harness.accept_batch(&batch(&ann, &[phone(secs)])).await;
        let job = harness.claim(job.id).await;
        harness.plan(&job, 0, testkit::build::speech(&[(0, 1000)])).await;
        harness.store(&job, 0, &[(0, &said(secs))]).await;
        jobs.push(job);
    }
    // Each placement has read its conversations before any of them is written.
    store.client.fault_script.gather(STARTS.len());
    let before = store.client.fault_script.commits();
    // Each placement is in an hour of its own, so that they share no usage document that would serialize
    // them.
    let place = |(n, job): (usize, domain::Job)| {
        let harness = Harness::new(harness.store.clone());
        harness.pass(Duration::from_secs(3600 * n as u64));
        tokio::spawn(async move { harness.place(&job, 0, &[(0, Answer::Text)]).await })
    };
    for task in jobs.into_iter().enumerate().map(place).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let commits = store.client.fault_script.commits() - before;
    println!("{} placements at once took {commits} commits", STARTS.len());
    assert!(commits >= 2 * STARTS.len() - 1, "all but one were in another's way: {commits}");
    assert_eq!(talk(&harness).await, talk(&calm).await);
    let times = async |harness: &Harness| -> Vec<_> {
        let snapshot = Snapshot::take(&*harness.store, &uid("ann")).await.unwrap();
        snapshot.conversations.iter().map(|page| page.conversation.timed).collect()
    };
    assert_eq!(times(&harness).await, times(&calm).await);
    assert_eq!(harness.usage(&ann).await, calm.usage(&ann).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_last_of_two_concurrent_tokens_leads_to_new_device() {
    let store = store_or_skip!();
    let (ann, bob) = (uid("ann"), uid("bob"));
    store.client.fault_script.gather(2);
    let put = |token: &'static str| {
        let (store, ann) = (store.clone(), ann.clone());
        tokio::spawn(async move { store.put_device(&device(&ann, "phone", token)).await })
    };
    for task in ["one", "two"].map(put) {
        task.await.unwrap().unwrap();
    }
    let phone = store.devices(&ann).await.unwrap().pop().unwrap();
    let lost = if phone.token == "one" { "two" } else { "one" };
    store.put_device(&device(&bob, "phone", lost)).await.unwrap();
    assert_eq!(store.devices(&ann).await.unwrap(), [phone], "it does not have the token that bob has now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrently_forgotten_job_is_fenced() {
    let harness = Arc::new(Harness::new(store_or_skip!()));
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    let ended = harness.done(job.id, Command::Cancel).await;
    let gone = harness.done(job.id, Command::CleanedUp { fence: ended.lease.fence }).await;
    harness.clock.set(gone.expires_at.unwrap());
    let expire = |_| {
        let harness = harness.clone();
        tokio::spawn(async move { harness.step(job.id, &Command::Expire).await })
    };
    let mut forgotten = 0;
    for task in (0..8).map(expire).collect::<Vec<_>>() {
        match task.await.unwrap() {
            Stepped::Done { .. } => forgotten += 1,
            Stepped::NoSuchJob => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(forgotten, 1);
}

/// A job that gets in line has counted the slots before another one ends, and that one has looked for jobs in line before:
/// neither would give the slot away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slot_of_a_job_that_ends_between_count_and_write_goes_to_the_job_that_gets_in_line() {
    let settings = match super::settings() {
        Ok(settings) => settings,
        Err(why) => testkit::skip!(why),
    };
    let (ours, theirs) = (Arc::new(FirestoreStore::new(settings.clone())), FirestoreStore::new(settings));
    let harness = Arc::new(Harness::new(ours.clone()));
    for n in 1..=u64::from(harness.rules.enqueued_per_user) {
        harness.accept_batch(&batch_as(job_id(n), &uid("ann"), &[phone(n.cast_signed())])).await;
    }
    harness.create(&batch_as(job_id(9), &uid("ann"), &[phone(0)])).await;
    let (script, before) = (&ours.client.fault_script, ours.client.fault_script.commits());
    script.gather(2);
    let settling = tokio::spawn({
        let harness = harness.clone();
        async move { harness.step(job_id(9), &Command::SettleSlot).await }
    });
    let counted = async {
        while script.commits() == before {
            tokio::task::yield_now().await;
        }
    };
    emulators::soon("the slots are counted", counted).await;
    let ended = theirs.step(job_id(1), &Command::Cancel, harness.at()).await.unwrap();
    assert!(matches!(ended, Stepped::Done { ref promoted, .. } if promoted.is_empty()), "{ended:?}");
    script.before().await.unwrap();
    let Stepped::Done { promoted, .. } = settling.await.unwrap() else { panic!("it is not settled") };
    assert_eq!(promoted.iter().map(|job| job.id).collect::<Vec<_>>(), [job_id(9)]);
    assert!(harness.job(job_id(9)).await.holds_slot());
}
