//! Retrying: a failed job runs again for the files and segments that are not done.

use std::sync::Arc;

use domain::job::Effects;
use domain::planning::Heard;
use domain::{Command, FileStatus, Refusal, Status, Timestamp, Usage};
use flow::ports::Store;

use super::{ann, partly_failed, user};
use crate::build::{nonce, phone};
use crate::harness::Harness;

pub async fn retry_reopens_unfinished_files(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let ended = partly_failed(&harness, &ann()).await;
    let job = harness.done(ended.id, Command::Retry { key: nonce(1) }).await;
    assert_eq!((job.status, job.attempt), (Status::Queued, 0));
    assert_eq!((job.lease.fence, job.dispatch.number), (ended.lease.fence + 1, ended.dispatch.number + 1));
    let statuses: Vec<_> = job.files.iter().map(|file| file.status).collect();
    assert_eq!(statuses, [FileStatus::Done, FileStatus::Queued, FileStatus::Queued]);
    assert_eq!((&job.result, &job.error, job.completed_at, job.expires_at), (&None, &None, None, None));
    assert_eq!((job.effects, job.due_at), (Effects::default(), Some(harness.now() + harness.rules.enqueue_grace)));
    assert_eq!(harness.job(job.id).await, job);
}

pub async fn repeated_retry_changes_nothing(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let ended = partly_failed(&harness, &ann()).await;
    let job = harness.done(ended.id, Command::Retry { key: nonce(1) }).await;
    assert_eq!(harness.done(ended.id, Command::Retry { key: nonce(1) }).await, job);
    let why = harness.refused(ended.id, Command::Retry { key: nonce(2) }).await;
    assert!(matches!(why, Refusal::NotRetryable(_)), "another retry finds it queued: {why}");
    let held = harness.claim(ended.id).await;
    assert_eq!(harness.done(ended.id, Command::Retry { key: nonce(1) }).await, held);
}

pub async fn retried_job_does_only_the_remaining_work(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let ended = partly_failed(&harness, &ann()).await;
    let before = harness.usage(&ann()).await;
    harness.done(ended.id, Command::Retry { key: nonce(1) }).await;
    let job = harness.claim(ended.id).await;
    let (_, recording) = harness.plan(&job, 1, Heard::Silence).await;
    assert_eq!(recording.plan.map(|plan| plan.counts().placed), Some(1), "the existing plan is continued");
    harness.say(&job, 1, &[(2000, "mended at last")]).await;
    harness.work(&job, 2, &[(0, 700, "found")]).await;
    let done = harness.finish(&job).await;
    assert_eq!(done.status, Status::Completed);
    let mut expected = before;
    expected += Usage { transcribed_ms: 1700, words: 4, segments: 2 };
    assert_eq!(harness.usage(&ann()).await, expected);
}

pub async fn only_failed_jobs_can_be_retried(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let retry = Command::Retry { key: nonce(1) };
    let job = harness.accept(&ann(), &[phone(0)]).await;
    assert!(matches!(harness.refused(job.id, retry.clone()).await, Refusal::NotRetryable(_)));
    harness.done(job.id, Command::Cancel).await;
    assert!(matches!(harness.refused(job.id, retry.clone()).await, Refusal::NotRetryable(_)));
    let done = harness.transcribe(&ann(), &phone(500), &[(0, 900, "over")]).await;
    assert!(matches!(harness.refused(done.id, retry).await, Refusal::NotRetryable(_)));
    assert_eq!(harness.job(done.id).await, done);
}

pub async fn a_job_whose_audio_is_gone_cannot_be_retried(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let ended = partly_failed(&harness, &ann()).await;
    harness.done(ended.id, Command::AudioGone { fence: ended.lease.fence }).await;
    let why = harness.refused(ended.id, Command::Retry { key: nonce(1) }).await;
    assert!(matches!(why, Refusal::NotRetryable(_)));
}

pub async fn retry_is_refused_shortly_before_the_lifecycle_deletes_the_audio(store: Arc<dyn Store>) {
    for (early, late) in [(1, false), (0, true), (-1, true)] {
        let harness = Harness::new(store.clone());
        let ended = partly_failed(&harness, &user(early)).await;
        let needs = harness.rules.max_wait + harness.rules.retention;
        let last = ended.created_at + (harness.rules.audio_lifecycle - needs);
        harness.clock.set(Timestamp::from_millis(last.millis() - early));
        let retry = Command::Retry { key: nonce(1) };
        if late {
            assert!(matches!(harness.refused(ended.id, retry).await, Refusal::NotRetryable(_)));
        } else {
            harness.done(ended.id, retry).await;
        }
    }
}
