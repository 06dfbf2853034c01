//! The fence: a worker that lost its job changes nothing any more, neither in the job nor in its recordings.

use std::sync::Arc;

use domain::placement::Answer;
use domain::{Command, Failure, Job, PutBack, Refusal};
use flow::ports::{Stepped, Store, Written};

use super::ann;
use crate::build::{line_for, nonce, phone, speech};
use crate::harness::Harness;
use crate::snapshot::Snapshot;

/// A job with two segments, of which one is placed and the other has its text.
async fn at_work(store: Arc<dyn Store>) -> (Harness, Job) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0), phone(9000)]).await;
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, speech(&[(0, 900), (2000, 3000), (5000, 6000)])).await;
    harness.say(&job, 0, &[(0, "first")]).await;
    harness.store(&job, 0, &[(2000, "second")]).await;
    (harness, job)
}

fn commands_of(fence: u64) -> Vec<Command> {
    let failure = Failure::of(domain::Code::StagedAudioMissing);
    vec![
        Command::Renew { fence },
        Command::FileVerified { fence, index: 1 },
        Command::FailFile { fence, index: 1, failure },
        Command::PutBack { fence, cause: PutBack::Shutdown, jitter: 0.0, explanation: None },
        Command::PutBack { fence, cause: PutBack::Engine { retry_after: None }, jitter: 0.5, explanation: None },
        Command::Finish { fence },
    ]
}

/// Tries every write of a worker under this fence; `is_done_already` selects commands that may answer "done already".
async fn every_write_is_refused(harness: &Harness, job: &Job, is_done_already: fn(&Command) -> bool) {
    let before = Snapshot::take(&*harness.store, &job.uid).await.unwrap();
    for command in commands_of(job.lease.fence) {
        match harness.step(job.id, &command).await {
            Stepped::Refused { why: Refusal::Fenced { .. } | Refusal::Finished(_), .. } => {}
            Stepped::Done { .. } if is_done_already(&command) => {}
            other => panic!("{command:?}: {other:?}"),
        }
    }
    fenced(harness.try_plan(job, 1, speech(&[(0, 500)])).await);
    let kept = harness.checkpointed(job, 1).await;
    fenced(harness.try_checkpoint(job, 1, 9, b"late").await);
    assert_eq!(harness.checkpointed(job, 1).await, kept);
    let line = line_for(&harness.recording(job, 0).await, 5000, "late");
    fenced(harness.try_store(job, &[line]).await);
    fenced(harness.try_place(job, 0, &[(2000, Answer::Text)]).await);
    fenced(harness.try_place(job, 0, &[(5000, Answer::Failed { refused: true })]).await);
    assert_eq!(Snapshot::take(&*harness.store, &job.uid).await.unwrap(), before);
}

fn fenced<T: std::fmt::Debug>(written: Written<T>) {
    assert!(matches!(written, Written::Fenced(_)), "{written:?}");
}

fn none(_: &Command) -> bool {
    false
}

pub async fn after_a_recovery_every_write_is_refused(store: Arc<dyn Store>) {
    let (harness, job) = at_work(store).await;
    harness.pass(harness.rules.takeover_after());
    harness.done(job.id, Command::Recover).await;
    every_write_is_refused(&harness, &job, none).await;
}

pub async fn after_a_cancel_every_write_is_refused(store: Arc<dyn Store>) {
    let (harness, job) = at_work(store).await;
    harness.done(job.id, Command::Cancel).await;
    every_write_is_refused(&harness, &job, none).await;
}

pub async fn after_another_claim_every_write_is_refused(store: Arc<dyn Store>) {
    let (harness, job) = at_work(store).await;
    harness.pass(harness.rules.takeover_after());
    harness.done(job.id, Command::Claim { owner: nonce(99) }).await;
    every_write_is_refused(&harness, &job, none).await;
}

pub async fn after_a_put_back_only_a_repeated_put_back_is_accepted(store: Arc<dyn Store>) {
    let (harness, job) = at_work(store).await;
    let cause = PutBack::Deadline;
    harness.done(job.id, Command::PutBack { fence: job.lease.fence, cause, jitter: 0.0, explanation: None }).await;
    every_write_is_refused(&harness, &job, |command| matches!(command, Command::PutBack { .. })).await;
}

pub async fn after_the_end_only_a_repeated_finish_is_accepted(store: Arc<dyn Store>) {
    let (harness, job) = at_work(store).await;
    for index in 0..2 {
        let failure = Failure::of(domain::Code::DigestMismatch);
        harness.done(job.id, Command::FailFile { fence: job.lease.fence, index, failure }).await;
    }
    harness.finish(&job).await;
    every_write_is_refused(&harness, &job, |command| matches!(command, Command::Finish { .. })).await;
}

pub async fn after_a_retry_every_write_of_the_earlier_run_is_refused(store: Arc<dyn Store>) {
    let (harness, job) = at_work(store).await;
    let failure = Failure::of(domain::Code::StagedAudioMissing);
    for index in 0..2 {
        let failure = failure.clone();
        harness.done(job.id, Command::FailFile { fence: job.lease.fence, index, failure }).await;
    }
    harness.finish(&job).await;
    harness.done(job.id, Command::Retry { key: nonce(5) }).await;
    every_write_is_refused(&harness, &job, none).await;
    harness.claim(job.id).await;
    every_write_is_refused(&harness, &job, none).await;
}

pub async fn unknown_fence_is_refused(store: Arc<dyn Store>) {
    let (harness, mut job) = at_work(store).await;
    job.lease.fence += 1;
    every_write_is_refused(&harness, &job, none).await;
}

pub async fn write_to_a_deleted_job_is_refused(store: Arc<dyn Store>) {
    let (harness, job) = at_work(store).await;
    let line = line_for(&harness.recording(&job, 0).await, 5000, "late");
    harness.done(job.id, Command::Cancel).await;
    let fence = harness.job(job.id).await.lease.fence;
    harness.done(job.id, Command::CleanedUp { fence }).await;
    harness.clock.set(harness.job(job.id).await.expires_at.unwrap());
    harness.done(job.id, Command::Expire).await;
    for command in commands_of(job.lease.fence) {
        assert_eq!(harness.step(job.id, &command).await, Stepped::NoSuchJob);
    }
    fenced(harness.try_plan(&job, 1, speech(&[(0, 500)])).await);
    fenced(harness.try_store(&job, &[line]).await);
    fenced(harness.try_place(&job, 0, &[(2000, Answer::Text)]).await);
}
