//! Attached recordings: an explicit conversation id wins over time.

use std::sync::Arc;

use domain::{Conversation, ConversationId, Job, Uid};
use flow::ports::Store;

use super::{ann, bob};
use crate::build::{T0, after, batch, conversation_id, phone};
use crate::harness::Harness;

async fn attached(harness: &Harness, uid: &Uid, id: ConversationId, secs: i64, text: &str) -> Job {
    let mut batch = batch(uid, &[phone(secs)]);
    batch.conversation_id = Some(id);
    harness.transcribe_batch(&batch, &[&[(0, 1000, text)]]).await
}

async fn read(harness: &Harness, uid: &Uid, id: ConversationId) -> (Conversation, Vec<String>) {
    let page = harness.page(uid, id).await.unwrap_or_else(|| panic!("no conversation {id}"));
    (page.conversation, page.lines.iter().map(domain::Line::text).collect())
}

pub async fn attaching_to_an_unknown_id_creates_the_conversation(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = attached(&harness, &ann(), conversation_id(5), 0, "as the app says").await;
    assert_eq!(job.new_conversation_ids, [conversation_id(5)]);
    let (conversation, texts) = read(&harness, &ann(), conversation_id(5)).await;
    assert_eq!((conversation.id, texts), (conversation_id(5), vec!["as the app says".to_owned()]));
    assert_eq!((conversation.timed, conversation.started_at()), (None, T0));
    let page = harness.page(&ann(), conversation_id(5)).await.unwrap();
    assert!(page.lines[0].attached);
}

pub async fn attached_audio_stays_in_its_conversation_for_any_gap(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    attached(&harness, &ann(), conversation_id(5), 90_000, "a day later").await;
    let job = attached(&harness, &ann(), conversation_id(5), 0, "today").await;
    assert_eq!((job.new_conversation_ids, job.updated_conversation_ids), (vec![], vec![conversation_id(5)]));
    let (conversation, texts) = read(&harness, &ann(), conversation_id(5)).await;
    assert_eq!(texts, ["today", "a day later"]);
    assert_eq!((conversation.started_at(), conversation.finished_at()), (T0, after(90_001)));
    assert_eq!(conversation.opening.map(|o| o.title).as_deref(), Some("today"));
}

pub async fn attached_audio_is_not_joined_by_time(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    harness.transcribe(&ann(), &phone(0), &[(0, 1000, "one")]).await;
    attached(&harness, &ann(), conversation_id(5), 100, "apart").await;
    harness.transcribe(&ann(), &phone(200), &[(0, 1000, "two")]).await;
    let mut talk = harness.talk(&ann()).await;
    talk.sort();
    assert_eq!(talk, [["apart"], ["one"], ["two"]]);
}

pub async fn audio_can_be_attached_to_a_conversation_made_by_time(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let timed = harness.transcribe(&ann(), &phone(0), &[(0, 1000, "one")]).await.new_conversation_ids[0];
    attached(&harness, &ann(), timed, 500, "added").await;
    harness.transcribe(&ann(), &phone(600), &[(0, 1000, "elsewhere")]).await;
    assert_eq!(harness.talk(&ann()).await, [vec!["one", "added"], vec!["elsewhere"]]);
    harness.transcribe(&ann(), &phone(60), &[(0, 1000, "two")]).await;
    let (conversation, texts) = read(&harness, &ann(), timed).await;
    assert_eq!(texts, ["one", "two", "added"]);
    assert_eq!(conversation.timed.map(|timed| timed.end), Some(after(61)));
    assert_eq!(conversation.finished_at(), after(501));
}

pub async fn merged_id_leads_to_its_survivor(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let late = harness.transcribe(&ann(), &phone(200), &[(0, 1000, "late")]).await.new_conversation_ids[0];
    let early = harness.transcribe(&ann(), &phone(0), &[(0, 1000, "early")]).await.new_conversation_ids[0];
    harness.transcribe(&ann(), &phone(100), &[(0, 1000, "bridge")]).await;
    let job = attached(&harness, &ann(), late, 9000, "attached").await;
    assert_eq!(job.updated_conversation_ids, [early]);
    let (conversation, texts) = read(&harness, &ann(), late).await;
    assert_eq!((conversation.id, texts), (early, ["early", "bridge", "late", "attached"].map(String::from).to_vec()));
}

pub async fn attached_lines_move_when_their_conversation_is_merged(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let late = harness.transcribe(&ann(), &phone(200), &[(0, 1000, "late")]).await.new_conversation_ids[0];
    attached(&harness, &ann(), late, 9000, "attached").await;
    let early = harness.transcribe(&ann(), &phone(0), &[(0, 1000, "early")]).await.new_conversation_ids[0];
    harness.transcribe(&ann(), &phone(100), &[(0, 1000, "bridge")]).await;
    let (conversation, texts) = read(&harness, &ann(), early).await;
    assert_eq!(texts, ["early", "bridge", "late", "attached"]);
    assert_eq!(conversation.merged_ids, [late]);
    assert_eq!(conversation.finished_at(), after(9001));
}

pub async fn the_same_id_of_two_users_is_two_conversations(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    attached(&harness, &ann(), conversation_id(5), 0, "ann's").await;
    attached(&harness, &bob(), conversation_id(5), 0, "bob's").await;
    assert_eq!(read(&harness, &ann(), conversation_id(5)).await.1, ["ann's"]);
    assert_eq!(read(&harness, &bob(), conversation_id(5)).await.1, ["bob's"]);
}
