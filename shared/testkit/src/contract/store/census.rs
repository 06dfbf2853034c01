//! What an operator sees: how many jobs there are, and what is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Command, Status};
use flow::ports::{Census, Store};

use super::{MS, ann, bob, partly_failed};
use crate::build::phone;
use crate::scene::Scene;

async fn census(scene: &Scene) -> Census {
    scene.ask(|| scene.store.census(scene.now())).await
}

/// The statuses that there are jobs of. Every status is told.
async fn counted(scene: &Scene) -> BTreeMap<&'static str, u64> {
    let by_status = census(scene).await.by_status;
    assert_eq!(by_status.iter().map(|(status, _)| *status).collect::<Vec<_>>(), Status::ALL);
    by_status.into_iter().filter(|(_, jobs)| *jobs > 0).map(|(status, jobs)| (status.as_str(), jobs)).collect()
}

pub async fn jobs_are_counted_by_status_through_all_of_their_life(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    assert_eq!(counted(&scene).await, BTreeMap::new());
    let job = scene.accept(&ann(), &[phone(0)]).await;
    scene.accept(&bob(), &[phone(0)]).await;
    assert_eq!(counted(&scene).await, BTreeMap::from([("queued", 2)]));
    let job = scene.claim(job.id).await;
    assert_eq!(counted(&scene).await, BTreeMap::from([("queued", 1), ("processing", 1)]));
    scene.work(&job, 0, &[(0, 900, "fine")]).await;
    let job = scene.finish(&job).await;
    assert_eq!(counted(&scene).await, BTreeMap::from([("queued", 1), ("completed", 1)]));
    partly_failed(&scene, &bob()).await;
    assert_eq!(counted(&scene).await, BTreeMap::from([("queued", 1), ("completed", 1), ("partial_failure", 1)]));

    let fence = job.lease.fence;
    for command in [Command::PushDone { fence }, Command::AudioGone { fence }, Command::CleanedUp { fence }] {
        scene.done(job.id, command).await;
    }
    let expires_at = scene.job(job.id).await.expires_at.unwrap();
    scene.clock.set(expires_at);
    scene.done(job.id, Command::Expire).await;
    assert_eq!(counted(&scene).await, BTreeMap::from([("queued", 1), ("partial_failure", 1)]), "forgotten");
}

pub async fn what_is_due_is_told_from_its_moment_on(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let job = scene.accept(&ann(), &[phone(0)]).await;
    let due = job.due_at.unwrap();
    scene.clock.set(due - MS);
    assert_eq!(census(&scene).await.oldest_due, None);
    scene.pass(MS);
    assert_eq!(census(&scene).await.oldest_due, Some(due));
    scene.pass(Duration::from_secs(7));
    scene.accept(&bob(), &[phone(0)]).await;
    let told = census(&scene).await;
    assert_eq!((told.oldest_due, told.effects_due), (Some(due), 0), "queued jobs have no effects");
}

pub async fn finished_jobs_with_something_left_to_do_are_counted(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let job = scene.transcribe(&ann(), &phone(0), &[(0, 900, "fine")]).await;
    scene.clock.set(job.due_at.unwrap());
    assert_eq!(census(&scene).await.effects_due, 1);
    let fence = job.lease.fence;
    for command in [Command::PushDone { fence }, Command::AudioGone { fence }, Command::CleanedUp { fence }] {
        scene.done(job.id, command).await;
    }
    assert_eq!(census(&scene).await.effects_due, 0);
}
