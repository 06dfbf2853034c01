//! Turns: a few jobs of a user are on the way at once, the others wait, the oldest recording first.

use std::sync::Arc;

use domain::job::{DispatchState, WaitingFor};
use domain::transition::gives_up_waiting_at;
use domain::{Command, Job, JobId, Nonce, Status};
use flow::ports::{Stepped, Store};

use super::{ann, bob};
use crate::build::{batch_as, job_id, nonce, phone};
use crate::scene::Scene;

/// Four jobs on the way, and three that wait, whose recordings are younger the smaller their id.
async fn a_full_house(store: Arc<dyn Store>) -> Scene {
    let scene = Scene::new(store);
    for n in 1..=4 {
        scene.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64 * 1000)])).await;
    }
    for n in 5..=7 {
        scene.accept_batch(&batch_as(job_id(n), &ann(), &[phone(-1000 * n as i64)])).await;
    }
    scene
}

async fn waiting(scene: &Scene) -> Vec<JobId> {
    let jobs = scene.store.jobs(&ann(), &[Status::Queued], None, 100, scene.now()).await.unwrap();
    let mut ids: Vec<_> = jobs.iter().filter(|job| !job.holds_a_turn()).map(|job| job.id).collect();
    ids.sort();
    ids
}

fn promoted(stepped: Stepped) -> Vec<JobId> {
    match stepped {
        Stepped::Done { promoted, .. } => promoted.iter().map(|job| job.id).collect(),
        other => panic!("{other:?}"),
    }
}

async fn finish_silent(scene: &Scene, id: JobId) -> Stepped {
    let job = scene.claim(id).await;
    for index in 0..job.files.len() {
        scene.plan(&job, index, domain::planning::Heard::Silence).await;
    }
    scene.step(id, &Command::Finish { fence: job.lease.fence }).await
}

pub async fn a_job_over_the_limit_waits_its_turn(store: Arc<dyn Store>) {
    let scene = a_full_house(store).await;
    assert_eq!(waiting(&scene).await, [5, 6, 7].map(job_id));
    let job = scene.job(job_id(5)).await;
    assert_eq!((job.dispatch.state, job.waiting_for), (DispatchState::Waiting, Some(WaitingFor::Turn)));
}

pub async fn the_end_of_a_job_promotes_the_oldest_recording(store: Arc<dyn Store>) {
    let scene = a_full_house(store).await;
    let Stepped::Done { promoted, .. } = finish_silent(&scene, job_id(1)).await else { panic!("not finished") };
    let [next] = &promoted[..] else { panic!("not one turn: {promoted:?}") };
    assert_eq!((next.id, next.dispatch.state, next.waiting_for), (job_id(7), DispatchState::Pending, None));
    assert_eq!(next.due_at, Some(scene.now() + scene.rules.enqueue_grace));
    assert_eq!(scene.job(next.id).await, *next, "what was answered is what was written");
    assert_eq!(waiting(&scene).await, [5, 6].map(job_id));
}

pub async fn a_cancelled_job_gives_its_turn_away(store: Arc<dyn Store>) {
    let scene = a_full_house(store).await;
    assert_eq!(promoted(scene.step(job_id(2), &Command::Cancel).await), [job_id(7)]);
    assert_eq!(promoted(scene.step(job_id(2), &Command::Cancel).await), [], "once");
}

pub async fn a_waiting_job_that_is_cancelled_frees_no_turn(store: Arc<dyn Store>) {
    let scene = a_full_house(store).await;
    assert_eq!(promoted(scene.step(job_id(7), &Command::Cancel).await), []);
    assert_eq!(promoted(scene.step(job_id(1), &Command::Cancel).await), [job_id(6)]);
}

pub async fn a_job_that_gives_up_gives_its_turn_away(store: Arc<dyn Store>) {
    let scene = a_full_house(store).await;
    scene.clock.set(gives_up_waiting_at(&scene.job(job_id(1)).await, &scene.rules));
    assert_eq!(promoted(scene.step(job_id(1), &Command::GiveUpWaiting).await), [job_id(7)]);
}

pub async fn a_claim_that_ends_the_job_gives_its_turn_away(store: Arc<dyn Store>) {
    let scene = a_full_house(store).await;
    for _ in 0..scene.rules.max_attempts {
        scene.claim(job_id(1)).await;
        scene.pass(scene.rules.lease);
    }
    let claim = Command::Claim { owner: Nonce(job_id(1).0) };
    assert_eq!(promoted(scene.step(job_id(1), &claim).await), [job_id(7)]);
    assert_eq!(scene.job(job_id(1)).await.status, Status::Failed);
}

pub async fn promote_gives_exactly_the_free_turns(store: Arc<dyn Store>) {
    let mut scene = a_full_house(store).await;
    assert_eq!(scene.store.promote(&ann(), scene.at()).await.unwrap(), []);
    scene.rules.enqueued_per_user = 6;
    let promoted = scene.store.promote(&ann(), scene.at()).await.unwrap();
    assert_eq!(promoted.iter().map(|job| job.id).collect::<Vec<_>>(), [7, 6].map(job_id));
    assert_eq!(scene.store.promote(&ann(), scene.at()).await.unwrap(), [], "once");
    assert_eq!(waiting(&scene).await, [job_id(5)]);
}

pub async fn stuck_users_are_those_with_a_free_turn_and_somebody_waiting(store: Arc<dyn Store>) {
    let mut scene = a_full_house(store).await;
    for n in 11..=15 {
        scene.accept_batch(&batch_as(job_id(n), &bob(), &[phone(n as i64)])).await;
    }
    assert_eq!(scene.store.stuck_users(scene.at(), 10).await.unwrap(), []);
    scene.rules.enqueued_per_user = 5;
    let mut stuck = scene.store.stuck_users(scene.at(), 10).await.unwrap();
    stuck.sort();
    assert_eq!(stuck, [ann(), bob()]);
    assert_eq!(scene.store.stuck_users(scene.at(), 1).await.unwrap().len(), 1, "at most so many");
    scene.store.promote(&ann(), scene.at()).await.unwrap();
    scene.store.promote(&bob(), scene.at()).await.unwrap();
    assert_eq!(scene.store.stuck_users(scene.at(), 10).await.unwrap(), [], "bob has nobody waiting, ann no free turn");
}

pub async fn another_users_jobs_do_not_take_turns(store: Arc<dyn Store>) {
    let scene = a_full_house(store).await;
    let job = scene.accept(&bob(), &[phone(0)]).await;
    assert_eq!(job.dispatch.state, DispatchState::Pending);
    assert_eq!(promoted(scene.step(job.id, &Command::Cancel).await), [], "nor does their end give any");
    assert_eq!(waiting(&scene).await, [5, 6, 7].map(job_id));
}

pub async fn a_retried_job_waits_when_no_turn_is_free(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let failed = failed_job(&scene, job_id(1)).await;
    for n in 2..=5 {
        scene.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64 * 1000)])).await;
    }
    let retried = scene.done(failed.id, Command::Retry { key: nonce(1) }).await;
    assert_eq!((retried.status, retried.dispatch.state), (Status::Queued, DispatchState::Waiting));
    assert_eq!(promoted(scene.step(job_id(3), &Command::Cancel).await), [failed.id]);
}

async fn failed_job(scene: &Scene, id: JobId) -> Job {
    scene.accept_batch(&batch_as(id, &ann(), &[phone(0)])).await;
    let job = scene.claim(id).await;
    let failure = domain::Failure::of(domain::Code::StagedAudioMissing);
    scene.done(id, Command::FailFile { fence: job.lease.fence, index: 0, failure }).await;
    scene.finish(&job).await
}

pub async fn a_stray_delivery_may_claim_a_waiting_job(store: Arc<dyn Store>) {
    let scene = a_full_house(store).await;
    let job = scene.claim(job_id(5)).await;
    assert!(job.holds_a_turn());
    assert_eq!(promoted(scene.step(job_id(1), &Command::Cancel).await), [], "five were on the way, four are left");
}

pub async fn jobs_that_end_at_once_promote_one_each(store: Arc<dyn Store>) {
    let scene = Arc::new(a_full_house(store).await);
    let end = |n| {
        let scene = scene.clone();
        tokio::spawn(async move { promoted(scene.step(job_id(n), &Command::Cancel).await) })
    };
    let tasks: Vec<_> = (1..=3).map(end).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort();
    assert_eq!(all, [5, 6, 7].map(job_id));
}

pub async fn jobs_created_at_once_take_no_more_than_the_turns(store: Arc<dyn Store>) {
    let scene = Arc::new(Scene::new(store));
    let create = |n| {
        let scene = scene.clone();
        tokio::spawn(async move { scene.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64)])).await })
    };
    let tasks: Vec<_> = (1..=9).map(create).collect();
    let mut with_turn = 0;
    for task in tasks {
        with_turn += u32::from(task.await.unwrap().holds_a_turn());
    }
    assert_eq!(with_turn, scene.rules.enqueued_per_user);
}
