//! Putting a job back: it is delivered again when the cause has passed, and only faults of the worker count as
//! attempts.

use std::sync::Arc;
use std::time::Duration;

use domain::command::Action;
use domain::job::WaitingFor;
use domain::{Blame, Code, Command, Explanation, Job, PutBack, Status, Timestamp, WaitCode, WaitReason};
use flow::ports::{Stepped, Store};

use super::{MS, ann, user};
use crate::build::{phone, speech};
use crate::harness::Harness;

const MINUTE: Duration = Duration::from_secs(60);

async fn held(store: Arc<dyn Store>) -> (Harness, Job) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    (harness, job)
}

async fn put_back(harness: &Harness, job: &Job, cause: PutBack) -> Job {
    let command = Command::PutBack { fence: job.lease.fence, cause, jitter: 1.0, explanation: None };
    let stepped = harness.step(job.id, &command).await;
    let Stepped::Done { job: after, actions, .. } = stepped else { panic!("{stepped:?}") };
    assert_eq!(harness.job(job.id).await, after, "the returned job equals the stored one");
    if after.status == Status::Queued {
        assert_eq!(actions, [Action::Enqueue]);
        assert_eq!((after.dispatch.number, after.lease.owner), (job.dispatch.number + 1, None));
        let again = harness.step(job.id, &command).await;
        assert_eq!(again, Stepped::Done { job: after.clone(), actions, promoted: vec![] }, "repeated");
    }
    after
}

fn fault(code: Code) -> PutBack {
    PutBack::Fault { code, retry_after: None }
}

pub async fn fault_counts_as_an_attempt_and_backs_off(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    let after = put_back(&harness, &job, fault(Code::Internal)).await;
    assert_eq!((after.attempt, after.due_at), (1, Some(harness.now() + harness.rules.backoff_min)));
    harness.pass(harness.rules.backoff_min);
    let job = harness.claim(job.id).await;
    let after = put_back(&harness, &job, fault(Code::Internal)).await;
    assert_eq!((after.attempt, after.due_at), (2, Some(harness.now() + 2 * harness.rules.backoff_min)));
}

pub async fn last_fault_ends_the_job_with_its_code(store: Arc<dyn Store>) {
    let (harness, mut job) = held(store).await;
    for _ in 1..harness.rules.max_attempts {
        put_back(&harness, &job, fault(Code::TranscriptionFailed)).await;
        job = harness.claim(job.id).await;
    }
    let ended = put_back(&harness, &job, fault(Code::TranscriptionFailed)).await;
    assert_eq!(ended.status, Status::Failed);
    assert_eq!(ended.files[0].failure.as_ref().map(|failure| failure.code), Some(Code::TranscriptionFailed));
}

pub async fn deadline_with_progress_does_not_count_as_an_attempt(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    harness.plan(&job, 0, speech(&[(0, 900), (2000, 3000)])).await;
    harness.say(&job, 0, &[(0, "a start")]).await;
    let after = put_back(&harness, &job, PutBack::Deadline).await;
    assert_eq!((after.attempt, after.due_at), (0, Some(harness.now())));
    let job = harness.claim(job.id).await;
    let after = put_back(&harness, &job, PutBack::Deadline).await;
    assert_eq!(after.attempt, 1, "without progress an attempt is counted");
}

pub async fn shutdown_does_not_count_as_an_attempt(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    let after = put_back(&harness, &job, PutBack::Shutdown).await;
    assert_eq!((after.attempt, after.due_at, after.waiting_for), (0, Some(harness.now()), None));
}

pub async fn job_waits_for_an_unavailable_engine(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    let after = put_back(&harness, &job, PutBack::Engine { retry_after: Some(7 * MINUTE) }).await;
    let until = Some(harness.now() + 7 * MINUTE);
    assert_eq!((after.attempt, after.waiting_for), (0, Some(WaitingFor::Engine)));
    assert_eq!((after.waiting_since, after.waiting_until, after.due_at), (Some(harness.now()), until, until));
    harness.pass(7 * MINUTE);
    let job = harness.claim(job.id).await;
    assert_eq!((job.waiting_for, job.waiting_until), (None, None));
    assert_eq!(job.waiting_since, after.waiting_since, "the wait continues until there is progress");
}

pub async fn job_waits_for_a_used_up_budget(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    let until = harness.now() + 600 * MINUTE;
    let after = put_back(&harness, &job, PutBack::Budget { until }).await;
    assert_eq!((after.attempt, after.waiting_for), (0, Some(WaitingFor::Budget)));
    assert_eq!((after.waiting_until, after.due_at), (Some(until), Some(until)));
}

pub async fn job_ends_after_the_longest_wait_and_not_before(store: Arc<dyn Store>) {
    for (early, over) in [(1, false), (0, true), (-1, true)] {
        let harness = Harness::new(store.clone());
        let job = harness.accept(&user(early), &[phone(0)]).await;
        let job = harness.claim(job.id).await;
        let since = harness.now();
        put_back(&harness, &job, PutBack::Engine { retry_after: None }).await;
        harness.clock.set(Timestamp::from_millis((since + harness.rules.max_wait).millis() - early));
        let job = harness.claim(job.id).await;
        let after = put_back(&harness, &job, PutBack::Engine { retry_after: None }).await;
        assert_eq!(after.status, if over { Status::Failed } else { Status::Queued }, "{early} ms early");
        if over {
            let error = after.error.unwrap();
            assert_eq!((error.code, error.blame), (Code::WaitedTooLong, Blame::Service));
        }
    }
}

pub async fn progress_restarts_the_wait(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    put_back(&harness, &job, PutBack::Engine { retry_after: None }).await;
    harness.pass(harness.rules.max_wait - MS);
    let job = harness.claim(job.id).await;
    // A plan alone is no progress; a placed segment is.
    harness.plan(&job, 0, speech(&[(0, 900), (2000, 2900)])).await;
    harness.say(&job, 0, &[(0, "one")]).await;
    let after = put_back(&harness, &job, PutBack::Engine { retry_after: None }).await;
    assert_eq!(after.waiting_since, Some(harness.now()));
}

fn invalid_key() -> Explanation {
    Explanation::new("the speech engine answered 401 (invalid key)").because("stt.internal answered 401")
}

fn rejected(job: &Job) -> Command {
    let (fence, cause) = (job.lease.fence, PutBack::Engine { retry_after: None });
    Command::PutBack { fence, cause, jitter: 1.0, explanation: Some(invalid_key()) }
}

pub async fn reason_is_stored_until_the_job_progresses_or_ends_well(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    let at = harness.now();
    harness.done(job.id, rejected(&job)).await;
    let stored = harness.job(job.id).await;
    let reason = WaitReason::new(WaitCode::EngineUnavailable, Some(&invalid_key()), at);
    assert_eq!(stored.wait_reason, Some(reason.clone()));
    let wait = stored.wait().unwrap();
    assert_eq!((wait.waiting_for, wait.since, wait.next_try), (Some(WaitingFor::Engine), Some(at), stored.due_at));
    assert_eq!((wait.code, wait.detail), (WaitCode::EngineUnavailable, invalid_key().detail()));

    let waiting_for = WaitingFor::Engine;
    let postpone = Command::Postpone { until: harness.now() + 9 * MINUTE, waiting_for, explanation: None };
    harness.done(job.id, postpone).await;
    let postponed = harness.job(job.id).await.wait_reason.unwrap();
    assert_eq!((postponed.code, postponed.cause), (WaitCode::EngineUnavailable, None));

    let job = harness.claim(job.id).await;
    assert!(job.wait_reason.is_some() && job.wait().is_none(), "it is tried again, and nothing is better yet");
    harness.plan(&job, 0, speech(&[(0, 900), (2000, 2900)])).await;
    harness.say(&job, 0, &[(0, "one")]).await;
    assert_eq!(harness.job(job.id).await.wait_reason, None, "it has made progress");
    harness.done(job.id, rejected(&job)).await;
    let job = harness.claim(job.id).await;
    harness.say(&job, 0, &[(2000, "two")]).await;
    assert_eq!(harness.finish(&job).await.wait_reason, None);
}

pub async fn reason_of_a_failed_job_is_kept_until_its_retry(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    put_back(&harness, &job, PutBack::Engine { retry_after: None }).await;
    harness.pass(harness.rules.max_wait);
    let job = harness.claim(job.id).await;
    let ended = harness.done(job.id, rejected(&job)).await;
    assert_eq!((ended.status, ended.wait()), (Status::Failed, None));
    assert_eq!(ended.error.as_ref().map(|error| error.code), Some(Code::WaitedTooLong));
    assert_eq!(harness.job(job.id).await.wait_reason.unwrap().cause.as_deref(), invalid_key().cause());
    let retried = harness.done(job.id, Command::Retry { key: crate::build::nonce(7) }).await;
    assert_eq!(retried.wait_reason, None);
}

pub async fn job_in_line_for_a_slot_has_that_reason_until_it_gets_one(store: Arc<dyn Store>) {
    let mut harness = Harness::new(store);
    harness.rules.enqueued_per_user = 1;
    let first = harness.accept(&ann(), &[phone(0)]).await;
    let second = harness.accept(&ann(), &[phone(100)]).await;
    let wait = second.wait().unwrap();
    assert_eq!((wait.waiting_for, wait.code), (Some(WaitingFor::Turn), WaitCode::Turn));
    assert_eq!((wait.since, wait.next_try), (Some(harness.now()), None));
    assert_eq!(first.wait(), None);
    harness.done(first.id, Command::Cancel).await;
    assert_eq!(harness.job(second.id).await.wait_reason, None);
}

pub async fn recovered_job_has_the_reason_that_its_worker_was_lost(store: Arc<dyn Store>) {
    let (harness, job) = held(store).await;
    harness.pass(harness.rules.takeover_after());
    let job = harness.done(job.id, Command::Recover).await;
    let wait = job.wait().unwrap();
    assert_eq!((wait.waiting_for, wait.code, wait.since), (None, WaitCode::WorkerLost, Some(harness.now())));
}
