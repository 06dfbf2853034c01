//! Jobs that wait for anything else than a slot hold none: other jobs of the same user continue.

use std::sync::Arc;
use std::time::Duration;

use domain::{JobId, Status};
use flow::ports::TaskBody;
use flow::process::Outcome;
use speech::{Languages, RetryClass};
use testkit::build::T0;
use tests::Recording;

use crate::harness::Stage;
use crate::parallel::{recordings, run};
use crate::script::{Reply, Script};

/// As many jobs as there are slots, each with one recording.
async fn all_turns(stage: &Stage, language: Option<&str>) -> Vec<TaskBody> {
    let mut tasks = Vec::new();
    for n in 0..i64::from(stage.services.settings.rules.enqueued_per_user) {
        tasks.push(stage.accept_all(&recordings(n, 1), language).await);
    }
    tasks
}

/// The task that was created for this job, if it is due by now.
fn task_of(stage: &Stage, id: JobId) -> Option<TaskBody> {
    let due = stage.queue.take_due(stage.clock_now());
    due.into_iter().map(|task| task.body).find(|task| task.job_id == id)
}

#[tokio::test]
async fn jobs_waiting_for_a_language_leave_their_slots_to_others() {
    let stage = Stage::new();
    let spanish = all_turns(&stage, Some("es")).await;
    let english = stage.accept_all(&recordings(100, 1), Some("en")).await;
    assert!(stage.job(english.job_id).await.waits_for_slot());
    let (worker, _) = stage.worker_with(&Arc::new(Script::new(|_| Reply::Text).speaking(Languages::English)));
    for task in &spanish {
        assert!(matches!(run(&worker, task).await, Outcome::Rescheduled { .. }));
    }
    assert!(spanish.len() > 1 && stage.job(english.job_id).await.holds_slot());
    let task = task_of(&stage, english.job_id).expect("its task is created");
    assert_eq!(run(&worker, &task).await, Outcome::Done(Status::Completed));
}

#[tokio::test]
async fn job_is_queued_before_younger_ones_when_its_wait_is_over() {
    let stage = Stage::new();
    let spanish = all_turns(&stage, Some("es")).await;
    // Jobs with younger recordings take the slots that the first ones freed, and more wait.
    let mut others = Vec::new();
    for n in 10..18 {
        others.push(stage.accept_all(&recordings(n, 1), None).await);
    }
    let (worker, _) = stage.worker_with(&Arc::new(Script::new(|_| Reply::Text).speaking(Languages::English)));
    let Outcome::Rescheduled { due_at: Some(due_at) } = run(&worker, &spanish[0]).await else { panic!("it ended") };
    assert!(stage.job(others[0].job_id).await.holds_slot());
    stage.clock.set(due_at);
    let wake_up = task_of(&stage, spanish[0].job_id).expect("its task is created");
    assert!(matches!(run(&worker, &wake_up).await, Outcome::Rescheduled { .. }));
    assert!(stage.job(spanish[0].job_id).await.waits_for_slot(), "all slots are taken");
    assert!(matches!(run(&worker, &spanish[1]).await, Outcome::Rescheduled { .. }));
    assert!(stage.job(spanish[0].job_id).await.holds_slot(), "its recording is older");
    assert!(stage.job(others[1].job_id).await.waits_for_slot());
}

#[tokio::test]
async fn sweep_fills_slots_freed_by_jobs_that_wait_for_a_service() {
    let stage = Stage::new();
    let tasks = all_turns(&stage, None).await;
    let last = stage.accept_all(&recordings(100, 1), None).await;
    let busy = Reply::Fails(RetryClass::Later { after: Some(Duration::from_secs(3600)) });
    let (worker, _) = stage.worker_with(&Arc::new(Script::new(move |_| busy)));
    assert!(matches!(run(&worker, &tasks[0]).await, Outcome::Rescheduled { .. }));
    assert!(stage.job(last.job_id).await.waits_for_slot(), "the service may be unavailable for the next job, too");
    let swept = flow::sweep::sweep(&stage.services, 100).await.unwrap();
    assert_eq!(swept.enqueued, 1);
    assert!(stage.job(last.job_id).await.holds_slot());
}

#[tokio::test]
async fn sweep_resumes_a_parked_job_with_a_lost_task() {
    let stage = Stage::new();
    let task = stage.accept_all(&[Recording::short(T0.millis() / 1000 - 86_400)], Some("es")).await;
    let (worker, _) = stage.worker_with(&Arc::new(Script::new(|_| Reply::Text).speaking(Languages::English)));
    let Outcome::Rescheduled { due_at: Some(due_at) } = run(&worker, &task).await else { panic!("it ended") };
    stage.queue.purge();
    stage.clock.set(due_at);
    assert_eq!(flow::sweep::sweep(&stage.services, 100).await.unwrap().enqueued, 1);
    let task = task_of(&stage, task.job_id).expect("the sweep created another task");
    let (capable, _) = stage.worker_with(&Arc::new(Script::new(|_| Reply::Text)));
    assert_eq!(run(&capable, &task).await, Outcome::Done(Status::Completed));
}
