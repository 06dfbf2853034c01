//! No user reads or changes another user's data.

use std::sync::Arc;
use std::time::Duration;

use domain::{Job, Status};
use flow::ports::{ChangeQuery, ConversationQuery, Created, JobQuery, LineQuery, Page, Store};

use super::{ann, bob};
use crate::build::{T0, batch, batch_as, conversation_id, device, phone};
use crate::harness::Harness;
use crate::snapshot::Snapshot;

/// Ann has one of each: job, recording, conversation, device.
async fn anns_data(store: Arc<dyn Store>) -> (Harness, Job) {
    let harness = Harness::new(store);
    let mut attached = batch(&ann(), &[phone(5000)]);
    attached.conversation_id = Some(conversation_id(5));
    harness.transcribe_batch(&attached, &[&[(0, 900, "attached")]]).await;
    let done = harness.transcribe(&ann(), &phone(0), &[(0, 900, "private")]).await;
    let live = harness.accept(&ann(), &[phone(9000)]).await;
    harness.claim(live.id).await;
    harness.store.put_device(&device(&ann(), "phone", "token")).await.unwrap();
    (harness, done)
}

async fn seen_by_ann(harness: &Harness) -> Snapshot {
    Snapshot::take(&*harness.store, &ann()).await.unwrap()
}

pub async fn queries_find_nothing_of_another_user(store: Arc<dyn Store>) {
    let (harness, done) = anns_data(store).await;
    let (store, recording) = (&harness.store, done.files[0].recording);
    let all_time = (T0, T0 + Duration::from_secs(1 << 30));
    assert_eq!(store.recordings(&bob(), &[recording]).await.unwrap(), [None]);
    assert_eq!(store.lines(&bob(), recording, &[0]).await.unwrap(), []);
    for id in [done.new_conversation_ids[0], conversation_id(5)] {
        assert_eq!(store.conversation(&LineQuery::of(&bob(), id, Page::first(10))).await.unwrap(), None);
    }
    assert_eq!(store.conversations(&ConversationQuery::all(&bob(), Page::first(10))).await.unwrap(), []);
    assert_eq!(store.usage(&bob(), all_time.0, all_time.1, 10).await.unwrap(), []);
    assert_eq!(store.jobs(&JobQuery::all(&bob(), Page::first(10), harness.now())).await.unwrap(), []);
    let changes = ChangeQuery::of(&bob(), T0 - Duration::from_secs(60), Page::first(10), harness.now());
    assert_eq!(store.changed_jobs(&changes).await.unwrap(), []);
    assert_eq!(store.devices(&bob()).await.unwrap(), []);
    assert_eq!(store.promote(&bob(), harness.at()).await.unwrap(), []);
}

pub async fn same_audio_of_another_user_is_transcribed_from_the_start(store: Arc<dyn Store>) {
    let (harness, _) = anns_data(store).await;
    let before = seen_by_ann(&harness).await;
    let job = harness.transcribe(&bob(), &phone(0), &[(0, 900, "my own words")]).await;
    assert_eq!((job.status, job.new_conversation_ids.len()), (Status::Completed, 1));
    assert_eq!(harness.talk(&bob()).await, [["my own words"]]);
    assert_eq!(harness.usage(&bob()).await.segments, 1);
    assert_eq!(seen_by_ann(&harness).await, before);
}

pub async fn conversation_id_of_another_user_is_not_found(store: Arc<dyn Store>) {
    let (harness, done) = anns_data(store).await;
    let before = seen_by_ann(&harness).await;
    for (n, id) in [done.new_conversation_ids[0], conversation_id(5)].into_iter().enumerate() {
        let mut batch = batch(&bob(), &[phone(n as i64)]);
        batch.conversation_id = Some(id);
        let job = harness.transcribe_batch(&batch, &[&[(0, 900, "not yours")]]).await;
        assert_eq!(job.new_conversation_ids, [id], "it becomes a conversation of his own");
    }
    assert_eq!(seen_by_ann(&harness).await, before);
}

pub async fn job_id_of_another_user_reveals_nothing(store: Arc<dyn Store>) {
    let (harness, done) = anns_data(store).await;
    let before = seen_by_ann(&harness).await;
    match harness.store.create_job(&batch_as(done.id, &bob(), &[phone(0)]), harness.at()).await {
        Err(error) => assert!(!error.may_pass(), "{error}"),
        Ok(Created::New { job, .. } | Created::Answered(job)) => assert_eq!(job.uid, bob()),
    }
    assert_eq!(seen_by_ann(&harness).await, before);
}

pub async fn device_changes_of_another_user_change_nothing(store: Arc<dyn Store>) {
    let (harness, _) = anns_data(store).await;
    let before = seen_by_ann(&harness).await;
    let same_name = device(&bob(), "phone", "another token");
    harness.store.put_device(&same_name).await.unwrap();
    harness.store.drop_token(&bob(), &same_name.id, "token").await.unwrap();
    harness.store.delete_device(&bob(), &same_name.id).await.unwrap();
    assert_eq!(seen_by_ann(&harness).await, before);
}
