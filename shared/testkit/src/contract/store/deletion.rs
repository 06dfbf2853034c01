//! Deleting a conversation: it is gone for good, and so is what is left of its recordings near it.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Command, ConversationId, Job, Mark, Status, Timestamp, Uid};
use flow::ports::Store;

use super::{ann, bob, user};
use crate::build::{batch, conversation_id, phone, speech};
use crate::memory;
use crate::scene::Scene;

/// How a store deletes. Apart from the port, which has no operation for it yet.
#[async_trait]
pub trait Deletes: Store {
    /// Redirects are followed. False when the user has no such conversation.
    async fn delete_conversation(&self, uid: &Uid, id: ConversationId, now: Timestamp) -> bool;
}

#[async_trait]
impl Deletes for memory::Store {
    async fn delete_conversation(&self, uid: &Uid, id: ConversationId, now: Timestamp) -> bool {
        memory::Store::delete_conversation(self, uid, id, now)
    }
}

/// The first segment is placed, and its conversation deleted while the worker goes on.
async fn deleted_under_a_worker(store: &Arc<dyn Deletes>, uid: &Uid, spans: &[(u32, u32)]) -> (Scene, Job) {
    let scene = Scene::new(store.clone());
    let job = scene.accept(uid, &[phone(0)]).await;
    let job = scene.claim(job.id).await;
    scene.plan(&job, 0, speech(spans)).await;
    let (job, _) = scene.say(&job, 0, &[(spans[0].0, "to be forgotten")]).await;
    assert!(store.delete_conversation(uid, job.new_conversation_ids[0], scene.now()).await);
    (scene, job)
}

pub async fn a_deleted_conversation_is_neither_found_nor_listed(store: Arc<dyn Deletes>) {
    let scene = Scene::new(store.clone());
    let id = scene.transcribe(&ann(), &phone(0), &[(0, 900, "gone")]).await.new_conversation_ids[0];
    scene.transcribe(&ann(), &phone(9000), &[(0, 900, "stays")]).await;
    assert!(store.delete_conversation(&ann(), id, scene.now()).await);
    assert_eq!(scene.page(&ann(), id).await, None);
    assert_eq!(scene.talk(&ann()).await, [["stays"]]);
    assert!(!store.delete_conversation(&ann(), id, scene.now()).await, "once");
}

pub async fn ids_merged_into_a_deleted_conversation_are_gone_too(store: Arc<dyn Deletes>) {
    let scene = Scene::new(store.clone());
    let late = scene.transcribe(&ann(), &phone(200), &[(0, 1000, "late")]).await.new_conversation_ids[0];
    scene.transcribe(&ann(), &phone(0), &[(0, 1000, "early")]).await;
    scene.transcribe(&ann(), &phone(100), &[(0, 1000, "bridge")]).await;
    assert!(store.delete_conversation(&ann(), late, scene.now()).await, "a redirect is followed");
    assert_eq!((scene.page(&ann(), late).await, scene.conversations(&ann()).await.len()), (None, 0));
}

pub async fn audio_uploaded_again_does_not_bring_it_back(store: Arc<dyn Deletes>) {
    let scene = Scene::new(store.clone());
    let done = scene.transcribe(&ann(), &phone(0), &[(0, 900, "gone")]).await;
    store.delete_conversation(&ann(), done.new_conversation_ids[0], scene.now()).await;
    scene.done(done.id, Command::CleanedUp { fence: done.lease.fence }).await;
    scene.clock.set(scene.job(done.id).await.expires_at.unwrap());
    scene.done(done.id, Command::Expire).await;
    assert_eq!(scene.accept(&ann(), &[phone(0)]).await.status, Status::Completed);
    let mix = scene.accept(&ann(), &[phone(0), phone(9000)]).await;
    let mix = scene.claim(mix.id).await;
    scene.work(&mix, 0, &[(0, 900, "back again")]).await;
    assert_eq!((scene.talk(&ann()).await.len(), scene.usage(&ann()).await.segments), (0, 1));
}

pub async fn the_rest_of_its_recording_is_consumed_quietly(store: Arc<dyn Deletes>) {
    let (scene, job) = deleted_under_a_worker(&store, &ann(), &[(0, 900), (2000, 3000)]).await;
    let (job, recording) = scene.say(&job, 0, &[(2000, "the rest of it")]).await;
    assert_eq!(scene.talk(&ann()).await.len(), 0);
    assert_eq!(scene.usage(&ann()).await.segments, 1, "only what was placed before");
    assert_eq!(recording.plan.and_then(|plan| plan.find(2000).map(|s| s.mark)), Some(Mark::Empty));
    let stub = &scene.store.lines(&ann(), recording.id, &[2000]).await.unwrap()[0];
    assert!(stub.stub && stub.utterances.is_empty());
    assert_eq!(scene.finish(&job).await.status, Status::Completed);
}

pub async fn the_rest_of_an_attached_recording_is_consumed_too(store: Arc<dyn Deletes>) {
    let scene = Scene::new(store.clone());
    let mut batch = batch(&ann(), &[phone(0)]);
    batch.conversation_id = Some(conversation_id(5));
    let job = scene.accept_batch(&batch).await;
    let job = scene.claim(job.id).await;
    scene.plan(&job, 0, speech(&[(0, 900), (2000, 3000)])).await;
    scene.say(&job, 0, &[(0, "to be forgotten")]).await;
    store.delete_conversation(&ann(), conversation_id(5), scene.now()).await;
    scene.say(&job, 0, &[(2000, "the rest of it")]).await;
    assert_eq!((scene.talk(&ann()).await.len(), scene.usage(&ann()).await.segments), (0, 1));
}

pub async fn what_lies_two_minutes_from_it_is_not_consumed(store: Arc<dyn Deletes>) {
    for (start, kept) in [(120_999, 0), (121_000, 1), (121_001, 1)] {
        let uid = user(i64::from(start));
        let (scene, job) = deleted_under_a_worker(&store, &uid, &[(0, 1000), (start, start + 1000)]).await;
        scene.say(&job, 0, &[(start, "later")]).await;
        assert_eq!(scene.talk(&uid).await.len(), kept, "{start} ms");
    }
}

pub async fn other_audio_is_placed_as_if_it_had_not_been(store: Arc<dyn Deletes>) {
    let scene = Scene::new(store.clone());
    let id = scene.transcribe(&ann(), &phone(0), &[(0, 900, "gone")]).await.new_conversation_ids[0];
    store.delete_conversation(&ann(), id, scene.now()).await;
    scene.transcribe(&ann(), &phone(10), &[(0, 900, "another recording")]).await;
    assert_eq!(scene.talk(&ann()).await, [["another recording"]]);
    assert_eq!(scene.page(&ann(), id).await, None);
}

pub async fn a_deleted_explicit_id_is_placed_by_time(store: Arc<dyn Deletes>) {
    let scene = Scene::new(store.clone());
    let attach = async |secs, text| {
        let mut batch = batch(&ann(), &[phone(secs)]);
        batch.conversation_id = Some(conversation_id(5));
        scene.transcribe_batch(&batch, &[&[(0, 900, text)]]).await
    };
    attach(0, "gone").await;
    store.delete_conversation(&ann(), conversation_id(5), scene.now()).await;
    let job = attach(9000, "by time").await;
    assert_eq!(scene.talk(&ann()).await, [["by time"]]);
    assert_ne!(job.new_conversation_ids, [conversation_id(5)]);
    assert!(!scene.page(&ann(), job.new_conversation_ids[0]).await.unwrap().lines[0].attached);
}

pub async fn nobody_deletes_for_another_user(store: Arc<dyn Deletes>) {
    let scene = Scene::new(store.clone());
    let id = scene.transcribe(&ann(), &phone(0), &[(0, 900, "mine")]).await.new_conversation_ids[0];
    assert!(!store.delete_conversation(&bob(), id, scene.now()).await);
    assert_eq!(scene.talk(&ann()).await, [["mine"]]);
}
