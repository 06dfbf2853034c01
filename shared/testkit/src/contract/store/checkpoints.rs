//! Checkpoints: how far the first pass came is kept beside the job, under its fence, until the job ends.

use std::sync::Arc;

use domain::checkpoint::MAX_CHECKPOINT_BYTES;
use domain::{Code, Command, Job, PutBack, Status};
use flow::Kind;
use flow::ports::{Store, Written};

use super::{MS, ann, bob};
use crate::build::{nonce, phone};
use crate::harness::Harness;

async fn held(store: Arc<dyn Store>) -> (Harness, Job) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0), phone(9000)]).await;
    let job = harness.claim(job.id).await;
    (harness, job)
}

async fn put_back(harness: &Harness, job: &Job, cause: PutBack) -> Job {
    harness.done(job.id, Command::PutBack { fence: job.lease.fence, cause, jitter: 0.0, explanation: None }).await
}

pub async fn last_checkpoint_of_each_file_is_kept(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    let other = harness.accept(&bob(), &[phone(0)]).await;
    assert_eq!(harness.checkpointed(&job, 0).await, None);
    harness.checkpoint(&job, 0, 1, b"first").await;
    harness.checkpoint(&job, 1, 7, b"").await;
    let after = harness.checkpoint(&job, 0, 4, b"second").await;
    assert_eq!(harness.job(job.id).await, after, "the returned job equals the stored one");
    assert_eq!((after.files[0].listened.place, after.files[1].listened.place), (4, 7));
    assert_eq!(harness.checkpointed(&job, 0).await.as_deref(), Some(&b"second"[..]));
    assert_eq!(harness.checkpointed(&job, 1).await.as_deref(), Some(&b""[..]));
    assert_eq!(harness.checkpointed(&other, 0).await, None, "it is another job's");
}

pub async fn later_checkpoint_is_progress_and_a_repeated_one_is_not(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    let fault = || PutBack::Fault { code: Code::Internal, retry_after: None };
    for (place, cause, attempt) in
        [(3, PutBack::Deadline, 0), (4, fault(), 0), (4, PutBack::Deadline, 1), (2, fault(), 2)]
    {
        let held = if place == 3 { job.clone() } else { harness.claim(job.id).await };
        harness.checkpoint(&held, 0, place, b"so far").await;
        let after = put_back(&harness, &held, cause).await;
        assert_eq!(after.attempt, attempt, "at place {place}");
        harness.pass(harness.rules.backoff_max);
    }
}

pub async fn checkpoint_extends_the_lease(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    harness.pass(harness.rules.lease - MS);
    let after = harness.checkpoint(&job, 0, 1, b"so far").await;
    assert_eq!(after.lease.until, Some(harness.now() + harness.rules.lease));
    assert_eq!(after.due_at, after.held_until(&harness.rules));
    assert!(after.updated_at > job.updated_at);
}

pub async fn checkpoint_is_deleted_when_its_job_ends(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    let other = harness.accept(&bob(), &[phone(0)]).await;
    let other = harness.claim(other.id).await;
    harness.checkpoint(&other, 0, 1, b"another's").await;
    harness.checkpoint(&job, 0, 1, b"so far").await;
    harness.checkpoint(&job, 1, 1, b"so far").await;
    put_back(&harness, &job, PutBack::Shutdown).await;
    assert!(harness.checkpointed(&job, 0).await.is_some(), "the checkpoint outlives the delivery");
    harness.done(job.id, Command::Cancel).await;
    assert_eq!((harness.checkpointed(&job, 0).await, harness.checkpointed(&job, 1).await), (None, None));
    assert!(harness.checkpointed(&other, 0).await.is_some(), "it is another job's");
}

pub async fn a_retried_job_starts_without_a_checkpoint(store: Arc<dyn Store>) {
    let (harness, mut job) = held(store).await;
    // Only the first delivery goes further; the others do not.
    for attempt in 0..=harness.rules.max_attempts {
        if attempt > 0 {
            job = harness.claim(job.id).await;
        }
        harness.checkpoint(&job, 0, 5, b"so far").await;
        put_back(&harness, &job, PutBack::Deadline).await;
    }
    assert_eq!(harness.job(job.id).await.status, Status::Failed);
    assert_eq!(harness.checkpointed(&job, 0).await, None);
    harness.done(job.id, Command::Retry { key: nonce(1) }).await;
    let again = harness.claim(job.id).await;
    assert!(again.files.iter().all(|file| file.listened.is_nothing()));
    harness.checkpoint(&again, 0, 1, b"anew").await;
    assert_eq!(put_back(&harness, &again, PutBack::Deadline).await.attempt, 0, "the first position is progress again");
}

pub async fn a_checkpoint_over_the_limit_is_refused(store: Arc<dyn Store>) {
    let (harness, job) = held(store.clone()).await;
    let checkpoint = |bytes| domain::Checkpoint { fence: job.lease.fence, index: 0, rules: 1, place: 1, bytes };
    let most = checkpoint(vec![7; MAX_CHECKPOINT_BYTES]);
    let written = harness.ask(|| store.save_checkpoint(job.id, &most, harness.at())).await;
    assert!(matches!(written, Written::Done(_)), "{written:?}");
    assert_eq!(harness.checkpointed(&job, 0).await, Some(most.bytes));
    let more = checkpoint(vec![7; MAX_CHECKPOINT_BYTES + 1]);
    let refused = store.save_checkpoint(job.id, &more, harness.at()).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Invalid);
}

pub async fn checkpoint_of_a_file_that_the_job_lacks_is_refused(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    let written = harness.try_checkpoint(&job, 2, 1, b"so far").await;
    assert!(matches!(written, Written::Fenced(_)), "{written:?}");
    assert_eq!(harness.checkpointed(&job, 2).await, None);
    assert_eq!(harness.job(job.id).await, job);
}
