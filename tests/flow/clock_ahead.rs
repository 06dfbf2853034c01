//! A clock that was three days ahead for a moment does not delay anything after it was corrected.

use std::sync::Arc;
use std::time::Duration;

use domain::{Command, Status};
use flow::process::Outcome;
use flow::sweep::{resume, sweep};
use testkit::build::T0;

use crate::harness::Stage;
use crate::parallel::{recordings, run};
use crate::script::{Reply, Script};

const DAY: Duration = Duration::from_secs(86_400);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn jobs_written_by_a_clock_ahead_continue_at_the_next_sweep_or_start() {
    for at_a_start in [false, true] {
        let stage = Stage::new();
        stage.clock.advance(3 * DAY);
        let mut tasks = Vec::new();
        for n in 0..6 {
            tasks.push(stage.accept_all(&recordings(n, 1), None).await);
        }
        // A worker claims one of the jobs, and is killed.
        let owner = stage.services.random.nonce();
        stage.services.step(tasks[0].job_id, &Command::Claim { owner }).await.unwrap();
        stage.clock.set(T0 + SECOND);
        assert_eq!(stage.queue.take_due(stage.clock_now()), [], "their tasks are scheduled for that time, too");

        if at_a_start {
            resume(&stage.services, stage.clock_now(), 2000).await.unwrap();
        } else {
            let swept = sweep(&stage.services, 2000).await.unwrap();
            assert_eq!(swept.corrected, 6, "the waiting jobs as well");
        }
        sweep(&stage.services, 2000).await.unwrap();
        let (worker, _) = stage.worker_with(&Arc::new(Script::new(|_| Reply::Text)));
        loop {
            let due = stage.queue.take_due(stage.clock_now());
            if due.is_empty() {
                break;
            }
            for task in due {
                assert_eq!(run(&worker, &task.body).await, Outcome::Done(Status::Completed));
            }
        }
        for task in &tasks {
            let job = stage.job(task.job_id).await;
            assert_eq!(job.status, Status::Completed, "at a server start: {at_a_start}");
            assert!(job.updated_at <= stage.clock_now() + SECOND, "{}", job.updated_at);
        }
    }
}

#[tokio::test]
async fn many_waiting_jobs_do_not_hide_those_written_by_a_clock_ahead() {
    let stage = Stage::new();
    let template = stage.accept_all(&recordings(0, 1), None).await;
    // These jobs are waiting and due very late, as they should be: more than one query returns.
    for n in 1..250 {
        stage.accept_all(&recordings(n, 1), None).await;
    }
    let now = stage.clock_now();
    stage.clock.advance(27 * DAY + DAY / 2);
    let schedule = Some(stage.clock_now() + DAY);
    stage.services.step(template.job_id, &Command::Enqueued { number: 1, schedule }).await.unwrap();
    stage.clock.set(now);
    let mut corrected = 0;
    for _ in 0..4 {
        corrected += sweep(&stage.services, 2000).await.unwrap().corrected;
    }
    assert_eq!(corrected, 1);
    assert!(stage.job(template.job_id).await.due_at <= Some(now + Duration::from_secs(600)));
}
