//! A speech engine that takes very long: its calls fit into a delivery, and its failures cost no attempt.

use std::sync::Arc;
use std::time::Duration;

use domain::Status;
use domain::job::WaitingFor;
use flow::process::Outcome;
use flow::settings::WorkerLimits;
use speech::RetryClass;
use testkit::build::T0;
use tests::Recording;

use crate::harness::Stage;
use crate::parallel::{recordings, run};
use crate::script::{Reply, Script, is_the_clip};

const SPAN: Duration = Duration::from_secs(300);
/// As on Cloud Run, whose request timeout is 300 s.
const DELIVERY: Duration = Duration::from_secs(280);
/// The longest audio of a call in such a delivery.
const LONGEST: Duration = Duration::from_secs(150);

fn delivering_for(time: Duration) -> Stage {
    Stage::new().with(WorkerLimits { handler_deadline: time, ..WorkerLimits::default() })
}

/// Six minutes of speech without a long pause.
fn lecture() -> Recording {
    let Recording { name, bytes, .. } = Recording::speech(T0.millis() / 1000 - 86_400);
    Recording::new(name, bytes.repeat(120))
}

fn longest(engine: &Script) -> Duration {
    engine.heard.lock().unwrap().iter().max().copied().unwrap()
}

#[tokio::test]
async fn no_call_gets_more_audio_than_fits_into_a_delivery() {
    let stage = delivering_for(DELIVERY);
    let task = stage.accept_all(&[lecture()], None).await;
    let engine = Arc::new(Script::new(|_| Reply::Text).taking(SPAN));
    let (worker, _) = stage.worker_with(&engine);
    assert_eq!(run(&worker, &task).await, Outcome::Done(Status::Completed));
    assert!(longest(&engine) <= LONGEST && longest(&engine) > LONGEST / 2, "{:?}", engine.heard);
}

#[tokio::test]
async fn long_segment_of_an_older_plan_is_cut_for_a_short_delivery() {
    let mut stage = delivering_for(Duration::from_secs(1500));
    let task = stage.accept_all(&[lecture()], None).await;
    let engine = Arc::new(Script::new(|_| Reply::Fails(RetryClass::Later { after: None })).taking(SPAN));
    let (worker, _) = stage.worker_with(&engine);
    assert!(matches!(run(&worker, &task).await, Outcome::Rescheduled { .. }));
    assert!(longest(&engine) > LONGEST, "{:?}", engine.heard);
    stage.clock.set(stage.job(task.job_id).await.due_at.unwrap());
    stage = stage.with(WorkerLimits { handler_deadline: DELIVERY, ..WorkerLimits::default() });
    let engine = Arc::new(Script::new(|_| Reply::Text).taking(SPAN));
    let (worker, _) = stage.worker_with(&engine);
    assert_eq!(run(&worker, &task).await, Outcome::Done(Status::Completed));
    assert!(longest(&engine) <= LONGEST, "{:?}", engine.heard);
}

/// AWS Lambda names the end of each delivery with its event, and it may be earlier than the settings say.
#[tokio::test]
async fn host_that_leaves_less_time_gets_shorter_calls() {
    let stage = delivering_for(Duration::from_secs(880));
    let task = stage.accept_all(&[lecture()], None).await;
    let engine = Arc::new(Script::new(|_| Reply::Text).taking(SPAN));
    let (worker, _) = stage.worker_with(&engine);
    assert_eq!(worker.run_within(&task, DELIVERY).await.unwrap(), Outcome::Done(Status::Completed));
    assert!(longest(&engine) <= LONGEST, "{:?}", engine.heard);
}

/// The engine accepts calls and never answers, so that each of them fails at the end of its time.
#[tokio::test]
async fn silent_engine_costs_no_attempt_however_short_a_delivery_is() {
    let stage = delivering_for(DELIVERY);
    let mut task = stage.accept_all(&recordings(0, 1), None).await;
    let clock = stage.clock.clone();
    let engine = Arc::new(Script::new(move |audio| {
        clock.advance(if is_the_clip(audio) { Duration::from_secs(35) } else { LONGEST });
        Reply::Fails(RetryClass::Transient)
    }));
    let (worker, _) = stage.worker_with(&engine);
    for round in 1..=2 {
        assert!(matches!(run(&worker, &task).await, Outcome::Rescheduled { .. }));
        let job = stage.job(task.job_id).await;
        assert_eq!((job.attempt, job.waiting_for), (0, Some(WaitingFor::Engine)), "round {round}: {job:?}");
        stage.clock.set(job.due_at.unwrap());
        task.dispatch = job.dispatch.number;
    }
}
