//! An engine that is down, hears nothing, is still loading or is set up wrong: a job waits for it, and it gets no
//! needless calls.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::job::WaitingFor;
use domain::{Status, Usage, WaitCode};
use flow::process::Outcome;
use speech::RetryClass;
use testkit::build::T0;

use crate::harness::Stage;
use crate::parallel::{limits, recordings, run, states, usage, while_time_passes};
use crate::script::{Reply, Script, is_the_clip};

#[tokio::test]
async fn unavailable_engine_gets_no_more_calls_and_no_further_file_is_started() {
    let stage = Stage::new().with(limits(1));
    let task = stage.accept_all(&recordings(0, 6), None).await;
    let wait = Duration::from_secs(600);
    let engine = Arc::new(Script::new(move |_| Reply::Fails(RetryClass::Later { after: Some(wait) })));
    let (worker, _) = stage.worker_with(&engine);
    assert!(matches!(run(&worker, &task).await, Outcome::Rescheduled { due_at: Some(at) } if at >= T0 + wait));
    let job = stage.job(task.job_id).await;
    assert_eq!((job.attempt, job.waiting_for), (0, Some(WaitingFor::Engine)));
    assert!(engine.calls() <= 2, "{} calls", engine.calls());
    let begun = job.files.iter().filter(|file| file.counts.segments > 0).count();
    assert!(begun <= 2, "{:?}", states(&job));
}

#[tokio::test]
async fn engine_that_asks_for_days_keeps_a_job_for_an_hour() {
    let stage = Stage::new().with(limits(1));
    let task = stage.accept_all(&recordings(0, 1), None).await;
    let (hour, days) = (Duration::from_secs(3600), Duration::from_secs(3 * 86_400));
    let engine = Arc::new(Script::new(move |_| Reply::Fails(RetryClass::Later { after: Some(days) })));
    let (worker, _) = stage.worker_with(&engine);
    let Outcome::Rescheduled { due_at: Some(at) } = run(&worker, &task).await else { panic!("it ended") };
    assert_eq!(at, stage.job(task.job_id).await.wait_reason.unwrap().at + hour);
}

#[tokio::test]
async fn files_with_empty_answers_share_one_check_of_the_engine() {
    let stage = Stage::new().with(limits(4));
    let task = stage.accept_all(&recordings(0, 4), None).await;
    let engine = Arc::new(Script::new(|audio| if is_the_clip(audio) { Reply::Text } else { Reply::Nothing }));
    let (worker, _) = stage.worker_with(&engine);
    assert_eq!(run(&worker, &task).await, Outcome::Done(Status::Completed));
    let job = stage.job(task.job_id).await;
    assert!(job.files.iter().all(|file| file.counts.empty == 1 && file.counts.placed == 0), "{:?}", states(&job));
    // Each segment is sent twice, and the sample clip once for all files, or more often if a file came later.
    assert!((9..=12).contains(&engine.calls()), "{}", engine.calls());
    assert_eq!(usage(&stage).await, Usage::default());
}

#[tokio::test]
async fn job_waits_for_an_engine_that_fails_its_check_for_any_number_of_files() {
    let stage = Stage::new().with(limits(4));
    let task = stage.accept_all(&recordings(0, 4), None).await;
    let engine = Arc::new(Script::new(|_| Reply::Nothing));
    let (worker, _) = stage.worker_with(&engine);
    assert!(matches!(run(&worker, &task).await, Outcome::Rescheduled { .. }));
    let job = stage.job(task.job_id).await;
    assert_eq!((job.attempt, job.waiting_for), (0, Some(WaitingFor::Engine)));
    assert_eq!((job.progress().successful, usage(&stage).await), (0, Usage::default()));
    let detail = job.wait_reason.unwrap().detail;
    assert_eq!(detail, "the speech engine returns no text, not even for a sample of clear speech");
}

#[tokio::test]
async fn loading_engine_costs_no_attempt_and_opens_no_circuit() {
    let stage = Stage::new().with(limits(2));
    let task = stage.accept_all(&recordings(0, 2), None).await;
    let loading = speech::EngineError::new(RetryClass::Later { after: None }, "its model is being loaded");
    let loaded = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_loaded = Arc::clone(&loaded);
    let later = Reply::Fails(RetryClass::Later { after: None });
    let engine = Arc::new(Script::new(move |_| if is_loaded.load(Ordering::Relaxed) { Reply::Text } else { later }));
    *engine.ready.lock().unwrap() = Err(loading);
    let (worker, _) = stage.worker_with(&engine);
    for round in 1..=6 {
        let before = engine.calls();
        assert!(matches!(run(&worker, &task).await, Outcome::Rescheduled { .. }));
        let job = stage.job(task.job_id).await;
        assert_eq!((job.attempt, job.waiting_for), (0, Some(WaitingFor::Engine)), "round {round}");
        assert!(engine.calls() > before, "round {round}: the circuit is closed, the engine is called again");
        stage.clock.set(job.due_at.unwrap());
    }
    loaded.store(true, Ordering::Relaxed);
    *engine.ready.lock().unwrap() = Ok(());
    assert_eq!(run(&worker, &task).await, Outcome::Done(Status::Completed));
}

#[tokio::test]
async fn failing_ready_engine_gets_no_calls_after_three_deliveries() {
    let stage = Stage::new().with(limits(2));
    let task = stage.accept_all(&recordings(0, 2), None).await;
    let engine = Arc::new(Script::new(|_| Reply::Fails(RetryClass::Misconfigured)));
    let (worker, _) = stage.worker_with(&engine);
    for round in 0..3 {
        if round > 0 {
            stage.clock.set(stage.job(task.job_id).await.due_at.unwrap());
        }
        assert!(matches!(run(&worker, &task).await, Outcome::Rescheduled { .. }));
        let calls = engine.calls();
        assert!(matches!(run(&worker, &task).await, Outcome::Rescheduled { .. }), "before the job is due");
        assert_eq!(engine.calls(), calls);
    }
    let (calls, other) = (engine.calls(), stage.accept_all(&recordings(10, 1), None).await);
    assert!(matches!(run(&worker, &other).await, Outcome::Rescheduled { .. }));
    let job = stage.job(other.job_id).await;
    assert_eq!((engine.calls(), job.waiting_for), (calls, Some(WaitingFor::Engine)), "the circuit is open");
    assert!(job.is_parked() && job.attempt == 0);
    let reason = job.wait_reason.unwrap();
    assert_eq!(
        (reason.code, reason.detail.as_str()),
        (WaitCode::EngineUnavailable, "the speech engine is not set up right")
    );
    assert_eq!(reason.cause.as_deref(), Some("it is in the script"), "the circuit knows why it is open");
    assert!(worker.may_call_engine().is_err(), "an open circuit is not ready");
    assert!(worker.engine_answers().is_err() && worker.ready().await.is_ok());
}

#[tokio::test]
async fn implausibly_long_answer_is_discarded_and_other_answers_are_kept() {
    let stage = Stage::new().with(limits(2));
    let task = stage.accept_all(&recordings(0, 2), None).await;
    let first = Arc::new(std::sync::Mutex::new(None));
    let engine = Arc::new(Script::new(move |audio| {
        let number = crate::script::number(audio);
        if *first.lock().unwrap().get_or_insert(number) == number { Reply::Babble } else { Reply::Text }
    }));
    let (worker, _) = stage.worker_with(&engine);
    while !stage.job(task.job_id).await.status.is_terminal() {
        stage.clock.advance(Duration::from_secs(3600));
        while_time_passes(&stage, run(&worker, &task)).await;
    }
    let job = stage.job(task.job_id).await;
    assert_eq!(job.status, Status::PartialFailure);
    let failed: Vec<_> =
        job.files.iter().filter_map(|file| file.failure.as_ref()).map(|failure| failure.code).collect();
    assert_eq!(failed, [domain::Code::TranscriptionFailed], "{:?}", states(&job));
}
