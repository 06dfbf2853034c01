//! A worker that is delayed beyond its lease: whatever it learns afterwards is not applied.
//!
//! A live worker renews its lease by itself. These workers are frozen: their future is not polled (a paused container),
//! or their clock stands still (a paused machine that does not know it yet).

use std::pin::pin;
use std::time::Duration;

use domain::{Status, Usage};
use flow::process::{Outcome, Skip};
use testkit::snapshot::Snapshot;
use testkit::{TestClock, build::T0};
use tests::Recording;

use crate::harness::{ManualEngine, Stage, ann, soon, until_engine_called};

/// A recording captured the day before the test begins.
fn recording() -> Recording {
    Recording::speech(T0.millis() / 1000 - 86_400)
}

async fn placed(stage: &Stage) -> (Vec<String>, Usage) {
    let seen = Snapshot::take(&*stage.store, &ann()).await.unwrap();
    let lines = seen.conversations.iter().flat_map(|page| &page.lines).map(domain::Line::text).collect();
    let mut usage = Usage::default();
    seen.usage.iter().for_each(|bucket| usage += bucket.usage);
    (lines, usage)
}

/// Another worker has finished the job when the engine answers the first one.
#[tokio::test]
async fn answer_after_another_worker_finished_changes_nothing() {
    for own_clock in [false, true] {
        let stage = Stage::new();
        let Recording { name, bytes, .. } = recording();
        let task = stage.accept(&name, &bytes).await;
        let (late, timely) = (ManualEngine::new("too late"), ManualEngine::new("in time"));
        // With a clock of its own the worker does not notice that its lease is over, and tries to write.
        let its_clock = if own_clock { TestClock::at(T0) } else { stage.clock.clone() };
        let (frozen, healthy) = (stage.worker(&late, &its_clock), stage.worker(&timely, &stage.clock));
        let mut first = pin!(frozen.run(&task));
        until_engine_called(first.as_mut(), &late).await;
        let held = soon(Box::pin(healthy.run(&task))).await.unwrap();
        assert!(matches!(held, Outcome::LeaseHeld { .. }), "{held:?}");

        stage.clock.advance(stage.services.settings.rules.takeover_after());
        timely.answer();
        assert_eq!(soon(Box::pin(healthy.run(&task))).await.unwrap(), Outcome::Done(Status::Completed));
        let before = (Snapshot::take(&*stage.store, &ann()).await.unwrap(), stage.push.attempts().len());
        assert_eq!((stage.blobs.names(), before.0.jobs[0].attempt), (vec![], 2));

        late.answer();
        assert_eq!(soon(first).await.unwrap(), Outcome::Skipped(Skip::AlreadyFinished));
        let after = (Snapshot::take(&*stage.store, &ann()).await.unwrap(), stage.push.attempts().len());
        assert_eq!(after, before, "own clock: {own_clock}");
        let (lines, usage) = placed(&stage).await;
        assert_eq!((lines, usage.segments, usage.words), (vec!["in time".to_owned()], 1, 2));
    }
}

/// Both workers are active when the engine answers the first one: it is fenced, and the second one continues.
#[tokio::test]
async fn answer_while_another_worker_holds_the_job_is_fenced() {
    let stage = Stage::new();
    let Recording { name, bytes, .. } = recording();
    let task = stage.accept(&name, &bytes).await;
    let (late, timely) = (ManualEngine::new("too late"), ManualEngine::new("in time"));
    let (frozen, healthy) = (stage.worker(&late, &TestClock::at(T0)), stage.worker(&timely, &stage.clock));
    let (mut first, mut second) = (pin!(frozen.run(&task)), pin!(healthy.run(&task)));
    until_engine_called(first.as_mut(), &late).await;
    stage.clock.advance(stage.services.settings.rules.takeover_after());
    until_engine_called(second.as_mut(), &timely).await;
    let fence = stage.job(task.job_id).await.lease.fence;

    late.answer();
    let lost = soon(first).await.unwrap();
    assert!(matches!(lost, Outcome::Rescheduled { .. }), "{lost:?}");
    let job = stage.job(task.job_id).await;
    assert_eq!((job.status, job.lease.fence), (Status::Processing, fence), "the claim of the second worker is valid");
    assert_eq!(placed(&stage).await, (vec![], Usage::default()));
    assert_eq!((stage.blobs.names().len(), stage.push.attempts().len()), (1, 0));

    timely.answer();
    assert_eq!(soon(second).await.unwrap(), Outcome::Done(Status::Completed));
    let (lines, usage) = placed(&stage).await;
    assert_eq!((lines, usage.segments), (vec!["in time".to_owned()], 1));
}

/// Clocks differ: a job stays with its worker for one more lease after the end of its lease, to the millisecond.
#[tokio::test]
async fn job_is_held_for_one_more_lease_to_the_millisecond() {
    for (past, may_claim) in [(-1, false), (0, true), (1, true)] {
        let stage = Stage::new();
        let Recording { name, bytes, .. } = recording();
        let task = stage.accept(&name, &bytes).await;
        let (late, timely) = (ManualEngine::new("too late"), ManualEngine::new("in time"));
        let (frozen, healthy) = (stage.worker(&late, &TestClock::at(T0)), stage.worker(&timely, &stage.clock));
        let mut first = pin!(frozen.run(&task));
        until_engine_called(first.as_mut(), &late).await;
        let until = stage.job(task.job_id).await.lease.until.unwrap() + stage.services.settings.rules.lease;
        stage.clock.set(domain::Timestamp::from_millis(until.millis() + past));
        timely.answer();
        let second = soon(Box::pin(healthy.run(&task))).await.unwrap();
        let claimed = matches!(second, Outcome::Done(Status::Completed));
        assert_eq!(claimed, may_claim, "{past} ms past the margin: {second:?}");
    }
}

/// The sweep recovers the job of a lost worker; if that worker comes back, it is fenced.
#[tokio::test]
async fn worker_is_fenced_after_the_sweep_recovered_its_job() {
    let stage = Stage::new();
    let Recording { name, bytes, .. } = recording();
    let task = stage.accept(&name, &bytes).await;
    let late = ManualEngine::new("too late");
    let frozen = stage.worker(&late, &TestClock::at(T0));
    let mut first = pin!(frozen.run(&task));
    until_engine_called(first.as_mut(), &late).await;
    stage.clock.advance(stage.services.settings.rules.takeover_after() + Duration::from_millis(1));
    let swept = flow::sweep::sweep(&stage.services, 100).await.unwrap();
    assert_eq!(swept.recovered, 1, "{swept:?}");
    let queued = stage.job(task.job_id).await;
    assert_eq!((queued.status, queued.dispatch.number), (Status::Queued, task.dispatch + 1));

    late.answer();
    let lost = soon(first).await.unwrap();
    assert_eq!(lost, Outcome::Rescheduled { due_at: queued.due_at });
    assert_eq!(stage.job(task.job_id).await, queued);
    assert_eq!(placed(&stage).await, (vec![], Usage::default()));
}
