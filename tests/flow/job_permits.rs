//! Jobs of several users on one instance: no user takes all permits, and engine calls rotate between users.

use std::sync::Arc;
use std::time::Duration;

use domain::{Status, Uid};
use flow::ports::TaskBody;
use flow::process::Outcome;
use flow::settings::WorkerLimits;
use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use testkit::build::T0;
use tests::Recording;
use tokio::sync::Semaphore;

use crate::harness::{Stage, ann, bob};
use crate::parallel::{run, until};
use crate::script::{Gate, Reply, Script};

fn day_before(seconds: i64) -> i64 {
    T0.millis() / 1000 - 86_400 + seconds
}

fn limits(max_jobs: usize, parallelism: usize) -> WorkerLimits {
    WorkerLimits { max_jobs, parallelism, ..WorkerLimits::default() }
}

/// Jobs with one recording of three seconds each.
async fn long_jobs(stage: &Stage, uid: &Uid, count: i64) -> Vec<TaskBody> {
    let mut tasks = Vec::new();
    for n in 0..count {
        tasks.push(stage.accept_of(uid, &[Recording::speech(day_before(100 * n))], None).await);
    }
    tasks
}

async fn short_job(stage: &Stage, uid: &Uid) -> TaskBody {
    stage.accept_of(uid, &[Recording::short(day_before(5000))], None).await
}

/// Speech with pauses, so that each part becomes a segment.
fn talk(at: i64, stretches: i64) -> Recording {
    let silence = Recording::silence(at).bytes;
    let pause = [&silence[..]; 4].concat();
    let bytes: Vec<u8> = (0..stretches).flat_map(|n| [&Recording::short(at + n).bytes[..], &pause].concat()).collect();
    Recording::new(Recording::short(at).name, bytes)
}

#[tokio::test]
async fn four_jobs_of_one_user_leave_a_permit_to_another() {
    let stage = Stage::new().with(limits(4, 4));
    let tasks = long_jobs(&stage, &ann(), 4).await;
    let engine = Arc::new(Script::new(|_| Reply::Text).gated(Gate::Long(Semaphore::new(0))));
    let (worker, _) = stage.worker_with(&engine);
    let mut three = join_all(tasks[..3].iter().map(|task| run(&worker, task)));
    until(&mut three, "three segments are being transcribed", async || engine.inside() == 3).await;

    let before = stage.clock.sleepers();
    let mut fourth = run(&worker, &tasks[3]);
    until(&mut fourth, "the fourth job waits for a permit", async || stage.clock.sleepers() > before).await;
    stage.clock.advance(Duration::from_millis(1999));
    assert!((&mut fourth).now_or_never().is_none(), "the fourth job waits for two seconds");
    stage.clock.advance(Duration::from_millis(1));
    assert_eq!(fourth.await, Outcome::Busy);
    let untouched = stage.job(tasks[3].job_id).await;
    assert_eq!((untouched.status, untouched.attempt, untouched.lease.fence), (Status::Queued, 0, 0));

    let other = short_job(&stage, &bob()).await;
    assert_eq!(run(&worker, &other).await, Outcome::Done(Status::Completed));
    let Gate::Long(permits) = &engine.gate else { panic!("the gate has no permits") };
    permits.add_permits(3);
    assert_eq!(three.await, vec![Outcome::Done(Status::Completed); 3]);
}

#[tokio::test]
async fn waiting_delivery_gets_the_next_free_permit() {
    let stage = Stage::new().with(limits(1, 1));
    let task = long_jobs(&stage, &ann(), 1).await.remove(0);
    let engine = Arc::new(Script::new(|_| Reply::Text).gated(Gate::Long(Semaphore::new(0))));
    let (worker, _) = stage.worker_with(&engine);
    let mut first = run(&worker, &task);
    until(&mut first, "its segment is being transcribed", async || engine.inside() == 1).await;
    let other = short_job(&stage, &bob()).await;
    let before = stage.clock.sleepers();
    let mut second = run(&worker, &other);
    until(&mut second, "the job waits for a permit", async || stage.clock.sleepers() > before).await;
    let Gate::Long(permits) = &engine.gate else { panic!("the gate has no permits") };
    permits.add_permits(1);
    assert_eq!(first.await, Outcome::Done(Status::Completed));
    assert_eq!(second.await, Outcome::Done(Status::Completed));
}

#[tokio::test]
async fn engine_calls_rotate_between_users() {
    let stage = Stage::new().with(limits(4, 1));
    let mut tasks = Vec::new();
    for n in 0..3 {
        tasks.push(stage.accept_of(&ann(), &[talk(day_before(1000 * n), 3)], None).await);
    }
    let engine = Arc::new(Script::new(|_| Reply::Text).gated(Gate::Each(Semaphore::new(0))));
    let (worker, _) = stage.worker_with(&engine);
    let mut anns = join_all(tasks.iter().map(|task| run(&worker, task)));
    let in_line = async || engine.inside() == 1 && worker.calls_waiting() == 2;
    until(&mut anns, "one of her jobs is being transcribed, two wait for the engine", in_line).await;

    let other = long_jobs(&stage, &bob(), 1).await.remove(0);
    let mut all = join(anns, run(&worker, &other));
    until(&mut all, "his call waits behind hers", async || worker.calls_waiting() == 3).await;
    let Gate::Each(permits) = &engine.gate else { panic!("the gate has no permits") };
    permits.add_permits(100);
    let (anns, bobs) = all.await;
    assert_eq!((anns, bobs), (vec![Outcome::Done(Status::Completed); 3], Outcome::Done(Status::Completed)));
    let his: Vec<_> = engine.heard.lock().unwrap().iter().map(|length| *length > Duration::from_secs(2)).collect();
    assert_eq!(his.iter().position(|his| *his), Some(1), "directly after the call in progress: {his:?}");
    assert_eq!(his.len(), 10);
}

#[tokio::test]
async fn only_permit_passes_to_another_user_after_a_while_and_nothing_is_lost() {
    let stage = Stage::new().with(limits(1, 1));
    let task = stage.accept_of(&ann(), &[talk(day_before(0), 4)], None).await;
    let engine = Arc::new(Script::new(|_| Reply::Text).gated(Gate::Each(Semaphore::new(0))));
    let (worker, _) = stage.worker_with(&engine);
    let Gate::Each(permits) = &engine.gate else { panic!("the gate has no permits") };
    let mut hers = run(&worker, &task);
    until(&mut hers, "its segment is being transcribed", async || engine.inside() == 1).await;
    let other = short_job(&stage, &bob()).await;
    let before = stage.clock.sleepers();
    let mut his = run(&worker, &other);
    until(&mut his, "the job waits for a permit", async || stage.clock.sleepers() > before).await;

    // The job does not yield at once: the first answer comes before it had its minimum time.
    permits.add_permits(1);
    until(&mut hers, "her second segment is being transcribed", async || engine.calls() == 2 && engine.inside() == 1)
        .await;
    stage.clock.advance(Duration::from_secs(30));
    assert_eq!(his.await, Outcome::Busy, "its task is delivered again");
    permits.add_permits(1);
    assert!(matches!(hers.await, Outcome::Rescheduled { .. }));
    let job = stage.job(task.job_id).await;
    assert_eq!((job.status, job.attempt, job.waiting_for), (Status::Queued, 0, None));
    assert_eq!((job.files[0].counts.placed, engine.calls()), (2, 2), "the transcribed text is stored");

    // The permit is reserved for the user that was refused, whoever asks first.
    let before = stage.clock.sleepers();
    let mut hers = run(&worker, &task);
    until(&mut hers, "her job waits now", async || stage.clock.sleepers() > before).await;
    permits.add_permits(10);
    assert_eq!(run(&worker, &other).await, Outcome::Done(Status::Completed));
    stage.clock.advance(Duration::from_secs(2));
    assert_eq!(hers.await, Outcome::Busy);
    assert_eq!(run(&worker, &task).await, Outcome::Done(Status::Completed));
    assert_eq!(engine.calls(), 5, "no segment is transcribed twice");
}

#[tokio::test]
async fn one_of_several_jobs_of_a_user_yields_when_another_user_has_no_permit() {
    let stage = Stage::new().with(limits(3, 2));
    // There are more segments than concurrent engine calls, so that some are left when the job should yield.
    let tasks = [0, 1].map(|n| talk(day_before(1000 * n), 12));
    let mut anns = Vec::new();
    for recording in tasks {
        anns.push(stage.accept_of(&ann(), &[recording], None).await);
    }
    let engine = Arc::new(Script::new(|_| Reply::Text).gated(Gate::Each(Semaphore::new(0))));
    let (worker, _) = stage.worker_with(&engine);
    let Gate::Each(permits) = &engine.gate else { panic!("the gate has no permits") };
    let mut hers = join_all(anns.iter().map(|task| run(&worker, task)));
    let works = async |task: &TaskBody| stage.job(task.job_id).await.status == Status::Processing;
    let both_work = async || works(&anns[0]).await && works(&anns[1]).await && engine.inside() == 2;
    until(&mut hers, "both jobs are processing", both_work).await;
    let bobs = short_job(&stage, &bob()).await;
    let mut two = join(hers, run(&worker, &bobs));
    until(&mut two, "his job has a permit", async || works(&bobs).await).await;
    let carl = testkit::build::uid("carl");
    let carls = short_job(&stage, &carl).await;
    let before = stage.clock.sleepers();
    let mut third = run(&worker, &carls);
    until(&mut third, "a third user gets no permit", async || stage.clock.sleepers() > before).await;
    permits.add_permits(100);
    let ((hers, bobs), carls) = join(two, third).await;
    assert_eq!((bobs, carls), (Outcome::Done(Status::Completed), Outcome::Done(Status::Completed)));
    let put_back = hers.iter().filter(|outcome| matches!(outcome, Outcome::Rescheduled { .. })).count();
    assert_eq!(put_back, 1, "one of her jobs yielded, not both: {hers:?}");
}
