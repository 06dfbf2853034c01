//! Recordings in a language that the engine does not support: their job waits for an engine that does; other jobs do
//! not.

use std::sync::Arc;
use std::time::Duration;

use domain::job::{Audio, WaitingFor};
use domain::{Blame, Code, FileStatus, Status};
use flow::ports::TaskBody;
use flow::process::{Outcome, Worker};
use speech::Languages;
use testkit::build::T0;
use tests::Recording;

use crate::harness::{Stage, soon};
use crate::script::{Reply, Script};

fn day_before(seconds: i64) -> i64 {
    T0.millis() / 1000 - 86_400 + seconds
}

fn english() -> Arc<Script> {
    Arc::new(Script::new(|_| Reply::Text).speaking(Languages::English))
}

async fn run(worker: &Worker, task: &TaskBody) -> Outcome {
    soon(Box::pin(worker.run(task))).await.unwrap()
}

#[tokio::test]
async fn recording_in_an_unsupported_language_waits_without_calls_attempts_or_loss_of_audio() {
    let stage = Stage::new();
    let files = [Recording::short(day_before(0)), Recording::short(day_before(60))];
    let task = stage.accept_all(&files, Some("es-MX")).await;
    let engine = english();
    let (worker, _) = stage.worker_with(&engine);
    let mut last = Duration::ZERO;
    for round in 0..16 {
        let Outcome::Rescheduled { due_at: Some(due_at) } = run(&worker, &task).await else { panic!("round {round}") };
        let job = stage.job(task.job_id).await;
        assert_eq!((job.status, job.attempt, job.waiting_for), (Status::Queued, 0, Some(WaitingFor::Engine)));
        assert_eq!((job.waiting_until, job.audio), (Some(due_at), Audio::Staged));
        let pause = stage.clock_now().until(due_at);
        assert!(pause >= last / 2 && pause <= Duration::from_secs(3600), "round {round}: {pause:?}");
        last = pause;
        stage.clock.set(due_at);
    }
    assert_eq!((engine.calls(), stage.blobs.names().len()), (0, 2));
    assert!(last > Duration::from_secs(600), "in the end it is claimed rarely: {last:?}");

    // Another job is not delayed by it: no circuit is open.
    let other = stage.accept_all(&[Recording::short(day_before(1000))], Some("en-GB")).await;
    assert_eq!(run(&worker, &other).await, Outcome::Done(Status::Completed));
    // The job continues when an engine with its language is available.
    let (capable, _) = stage.worker_with(&Arc::new(Script::new(|_| Reply::Text)));
    assert_eq!(run(&capable, &task).await, Outcome::Done(Status::Completed));
}

#[tokio::test]
async fn silent_recording_completes_in_any_language_without_an_engine() {
    let stage = Stage::new();
    let silent = stage.accept_all(&[Recording::silence(day_before(0))], Some("es")).await;
    let mixed =
        [Recording::silence(day_before(100)), Recording::short(day_before(200)), Recording::garbage(day_before(300))];
    let mixed = stage.accept_all(&mixed, Some("es")).await;
    let (worker, _) = stage.worker_with(&english());
    assert_eq!(run(&worker, &silent).await, Outcome::Done(Status::Completed));
    assert!(matches!(run(&worker, &mixed).await, Outcome::Rescheduled { .. }));
    let job = stage.job(mixed.job_id).await;
    let states: Vec<_> = job.files.iter().map(|file| file.status).collect();
    assert_eq!(states, [FileStatus::Silent, FileStatus::Processing, FileStatus::Failed]);
    assert_eq!(job.waiting_for, Some(WaitingFor::Engine));
}

#[tokio::test]
async fn job_without_a_suitable_engine_ends_after_the_longest_wait() {
    let stage = Stage::new();
    let task = stage.accept_all(&[Recording::short(day_before(0))], Some("es")).await;
    let (worker, _) = stage.worker_with(&english());
    let longest = stage.services.settings.rules.max_wait;
    assert!(matches!(run(&worker, &task).await, Outcome::Rescheduled { .. }));
    for (past, ends) in [(-1, false), (0, true)] {
        stage.clock.set(domain::Timestamp::from_millis((T0 + longest).millis() + past));
        let outcome = run(&worker, &task).await;
        assert_eq!(outcome == Outcome::Done(Status::Failed), ends, "{past} ms past the longest wait: {outcome:?}");
    }
    let error = stage.job(task.job_id).await.error.unwrap();
    assert_eq!((error.code, error.blame, error.retryable), (Code::WaitedTooLong, Blame::Service, true));
}
