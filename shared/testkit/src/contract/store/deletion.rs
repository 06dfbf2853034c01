//! Deleting a conversation: it is gone for good, and so are the segments of its recordings that lie near it.

use std::sync::Arc;

use domain::{Command, ConversationId, Job, Line, Mark, RecordingId, Status, Uid};
use flow::ports::{At, DueDeletion, Page, Removed, Store};

use super::{MS, ann, bob, user};
use crate::build::{batch, conversation_id, phone, speech};
use crate::harness::Harness;

/// The first segment is placed, and its conversation is deleted while the worker goes on.
async fn deleted_under_a_worker(store: &Arc<dyn Store>, uid: &Uid, spans: &[(u32, u32)]) -> (Harness, Job) {
    let harness = Harness::new(store.clone());
    let job = harness.accept(uid, &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, speech(spans)).await;
    let (job, _) = harness.say(&job, 0, &[(spans[0].0, "to be forgotten")]).await;
    assert!(harness.delete(uid, job.new_conversation_ids[0]).await);
    (harness, job)
}

pub async fn a_deleted_conversation_is_neither_found_nor_listed(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let id = harness.transcribe(&ann(), &phone(0), &[(0, 900, "gone")]).await.new_conversation_ids[0];
    harness.transcribe(&ann(), &phone(9000), &[(0, 900, "stays")]).await;
    assert!(harness.delete(&ann(), id).await);
    assert_eq!(harness.page(&ann(), id).await, None);
    assert_eq!(harness.talk(&ann()).await, [["stays"]]);
    harness.pass(MS);
    assert!(!harness.delete(&ann(), id).await, "once");
}

pub async fn ids_merged_into_a_deleted_conversation_are_gone(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let late = harness.transcribe(&ann(), &phone(200), &[(0, 1000, "late")]).await.new_conversation_ids[0];
    harness.transcribe(&ann(), &phone(0), &[(0, 1000, "early")]).await;
    harness.transcribe(&ann(), &phone(100), &[(0, 1000, "bridge")]).await;
    assert!(harness.delete(&ann(), late).await, "a redirect is followed");
    assert_eq!((harness.page(&ann(), late).await, harness.conversations(&ann()).await.len()), (None, 0));
}

pub async fn audio_uploaded_again_does_not_restore_a_deleted_conversation(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let done = harness.transcribe(&ann(), &phone(0), &[(0, 900, "gone")]).await;
    harness.delete(&ann(), done.new_conversation_ids[0]).await;
    harness.done(done.id, Command::CleanedUp { fence: done.lease.fence }).await;
    harness.clock.set(harness.job(done.id).await.expires_at.unwrap());
    harness.done(done.id, Command::Expire).await;
    assert_eq!(harness.accept(&ann(), &[phone(0)]).await.status, Status::Completed);
    let mix = harness.accept(&ann(), &[phone(0), phone(9000)]).await;
    let mix = harness.claim(mix.id).await;
    harness.work(&mix, 0, &[(0, 900, "back again")]).await;
    assert_eq!((harness.talk(&ann()).await.len(), harness.usage(&ann()).await.segments), (0, 1));
}

pub async fn remaining_segments_of_a_deleted_recording_are_consumed_without_lines(store: Arc<dyn Store>) {
    let (harness, job) = deleted_under_a_worker(&store, &ann(), &[(0, 900), (2000, 3000)]).await;
    let (job, recording) = harness.say(&job, 0, &[(2000, "the rest of it")]).await;
    assert_eq!(harness.talk(&ann()).await.len(), 0);
    assert_eq!(harness.usage(&ann()).await.segments, 1, "only the segments placed before");
    assert_eq!(recording.plan.and_then(|plan| plan.find(2000).map(|s| s.mark)), Some(Mark::Empty));
    let stub = &harness.store.lines(&ann(), recording.id, &[2000]).await.unwrap()[0];
    assert!(stub.stub && stub.utterances.is_empty());
    assert_eq!(harness.finish(&job).await.status, Status::Completed);
}

pub async fn remaining_segments_of_a_deleted_attached_recording_are_consumed(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let mut batch = batch(&ann(), &[phone(0)]);
    batch.conversation_id = Some(conversation_id(5));
    let job = harness.accept_batch(&batch).await;
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, speech(&[(0, 900), (2000, 3000)])).await;
    harness.say(&job, 0, &[(0, "to be forgotten")]).await;
    harness.delete(&ann(), conversation_id(5)).await;
    harness.say(&job, 0, &[(2000, "the rest of it")]).await;
    assert_eq!((harness.talk(&ann()).await.len(), harness.usage(&ann()).await.segments), (0, 1));
}

pub async fn segment_two_minutes_from_a_deleted_conversation_is_not_consumed(store: Arc<dyn Store>) {
    for (start, kept) in [(120_999, 0), (121_000, 1), (121_001, 1)] {
        let uid = user(i64::from(start));
        let (harness, job) = deleted_under_a_worker(&store, &uid, &[(0, 1000), (start, start + 1000)]).await;
        harness.say(&job, 0, &[(start, "later")]).await;
        assert_eq!(harness.talk(&uid).await.len(), kept, "{start} ms");
    }
}

pub async fn other_audio_is_placed_as_if_the_deleted_conversation_had_never_existed(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let id = harness.transcribe(&ann(), &phone(0), &[(0, 900, "gone")]).await.new_conversation_ids[0];
    harness.delete(&ann(), id).await;
    harness.transcribe(&ann(), &phone(10), &[(0, 900, "another recording")]).await;
    assert_eq!(harness.talk(&ann()).await, [["another recording"]]);
    assert_eq!(harness.page(&ann(), id).await, None);
}

pub async fn recording_attached_to_a_deleted_id_is_placed_by_time(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let attach = async |secs, text| {
        let mut batch = batch(&ann(), &[phone(secs)]);
        batch.conversation_id = Some(conversation_id(5));
        harness.transcribe_batch(&batch, &[&[(0, 900, text)]]).await
    };
    attach(0, "gone").await;
    harness.delete(&ann(), conversation_id(5)).await;
    let job = attach(9000, "by time").await;
    assert_eq!(harness.talk(&ann()).await, [["by time"]]);
    assert_ne!(job.new_conversation_ids, [conversation_id(5)]);
    assert!(!harness.page(&ann(), job.new_conversation_ids[0]).await.unwrap().lines[0].attached);
}

pub async fn conversation_of_another_user_is_not_deleted(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let id = harness.transcribe(&ann(), &phone(0), &[(0, 900, "mine")]).await.new_conversation_ids[0];
    assert!(!harness.delete(&bob(), id).await);
    assert_eq!(harness.talk(&ann()).await, [["mine"]]);
}

/// Every text that is stored for these segments.
async fn texts(harness: &Harness, uid: &Uid, recording: RecordingId, starts: &[u32]) -> Vec<String> {
    harness.store.lines(uid, recording, starts).await.unwrap().iter().map(Line::text).collect()
}

async fn due(harness: &Harness, after: Option<&DueDeletion>, limit: usize) -> Vec<DueDeletion> {
    harness.store.due_deletions(harness.now(), &Page { after: after.cloned(), limit }).await.unwrap()
}

pub async fn repeated_deletion_after_a_lost_answer_finds_nothing(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let id = harness.transcribe(&ann(), &phone(0), &[(0, 900, "gone")]).await.new_conversation_ids[0];
    let at = At { now: harness.now() + MS, rules: &harness.rules };
    for _ in 0..2 {
        assert!(store.delete_conversation(&ann(), id, at).await.unwrap());
    }
    store.remove_texts(&ann(), id, 10).await.unwrap();
    assert!(store.delete_conversation(&ann(), id, at).await.unwrap(), "the texts are removed meanwhile");
    let later = At { now: at.now + MS, ..at };
    assert!(!store.delete_conversation(&ann(), id, later).await.unwrap());
    assert!(!store.delete_conversation(&ann(), conversation_id(404), harness.at()).await.unwrap());
}

pub async fn texts_are_removed_page_by_page_and_the_lines_stay(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let spoken: Vec<_> = (0..5).map(|n| (n * 1000, n * 1000 + 900, "a secret")).collect();
    let starts: Vec<_> = spoken.iter().map(|(start, _, _)| *start).collect();
    let job = harness.transcribe(&ann(), &phone(0), &spoken).await;
    let (id, recording) = (job.new_conversation_ids[0], job.files[0].recording);
    assert_eq!(store.remove_texts(&ann(), id, 2).await.unwrap(), Removed::default(), "it is not deleted");
    assert!(harness.delete(&ann(), id).await);
    for (lines, more) in [(2, true), (2, true), (1, false), (0, false)] {
        assert_eq!(store.remove_texts(&ann(), id, 2).await.unwrap(), Removed { lines, more });
    }
    assert_eq!(texts(&harness, &ann(), recording, &starts).await, [""; 5]);
    assert!(store.lines(&ann(), recording, &starts).await.unwrap().iter().all(|line| line.stub));
    assert_eq!(due(&harness, None, 10).await, []);
}

pub async fn attached_texts_and_texts_of_merged_conversations_are_removed(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let late = harness.transcribe(&ann(), &phone(200), &[(0, 1000, "late")]).await;
    let mut attached = batch(&ann(), &[phone(9000)]);
    attached.conversation_id = Some(late.new_conversation_ids[0]);
    let attached = harness.transcribe_batch(&attached, &[&[(0, 1000, "attached")]]).await;
    let early = harness.transcribe(&ann(), &phone(0), &[(0, 1000, "early")]).await;
    let bridge = harness.transcribe(&ann(), &phone(100), &[(0, 1000, "bridge")]).await;
    assert!(harness.delete(&ann(), late.new_conversation_ids[0]).await);
    assert_eq!(harness.forget(&ann(), late.new_conversation_ids[0], 3).await, 4);
    for job in [late, attached, early, bridge] {
        assert_eq!(texts(&harness, &ann(), job.files[0].recording, &[0]).await, [""]);
    }
    assert_eq!(due(&harness, None, 10).await, []);
}

pub async fn texts_of_other_conversations_at_that_time_are_kept(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let id = harness.transcribe(&ann(), &phone(0), &[(0, 900, "a"), (9000, 9900, "b")]).await.new_conversation_ids[0];
    assert!(harness.delete(&ann(), id).await);
    harness.transcribe(&ann(), &phone(5), &[(0, 900, "in the middle")]).await;
    harness.transcribe(&bob(), &phone(0), &[(0, 900, "another user")]).await;
    assert_eq!(harness.forget(&ann(), id, 1).await, 2);
    assert_eq!(
        (harness.talk(&ann()).await, harness.talk(&bob()).await),
        (vec![vec!["in the middle".to_owned()]], vec![vec!["another user".to_owned()]],)
    );
}

pub async fn deletions_are_due_oldest_first_until_their_texts_are_gone(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let mut expected = Vec::new();
    for n in 0..5 {
        let uid = user(n);
        let id = harness.transcribe(&uid, &phone(0), &[(0, 900, "x")]).await.new_conversation_ids[0];
        if n % 2 == 0 {
            harness.pass(MS);
        }
        assert!(harness.delete(&uid, id).await);
        expected.push(DueDeletion { due_at: harness.now(), uid, id });
    }
    for size in 1..=6 {
        let mut seen: Vec<DueDeletion> = Vec::new();
        loop {
            let page = due(&harness, seen.last(), size).await;
            assert!(page.len() <= size);
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen, expected, "pages of {size}");
    }
    let before = expected[0].due_at - MS;
    assert_eq!(store.due_deletions(before, &Page::first(10)).await.unwrap(), []);
    harness.forget(&expected[0].uid, expected[0].id, 10).await;
    assert_eq!(due(&harness, None, 10).await, expected[1..]);
}

pub async fn title_of_a_deleted_conversation_cannot_be_read_by_id(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let id: ConversationId =
        harness.transcribe(&ann(), &phone(0), &[(0, 900, "a title")]).await.new_conversation_ids[0];
    harness.delete(&ann(), id).await;
    // The title is gone even before the texts are removed.
    assert_eq!(harness.page(&ann(), id).await, None);
    assert_eq!(harness.conversations(&ann()).await, []);
}
