//! Joining: lines less than two minutes apart are one conversation, in whatever order they arrive.

use std::sync::Arc;

use domain::{ConversationId, Line};
use flow::ports::Store;

use super::{ann, user};
use crate::build::{T0, after, batch, named, phone, speech};
use crate::harness::Harness;

async fn texts(harness: &Harness, id: ConversationId) -> Vec<String> {
    let page = harness.page(&ann(), id).await.unwrap_or_else(|| panic!("no conversation {id}"));
    page.lines.iter().map(Line::text).collect()
}

pub async fn gap_below_two_minutes_joins_and_two_minutes_split(store: Arc<dyn Store>) {
    for (gap_ms, conversations) in [(119_999, 1), (120_000, 2), (120_001, 2)] {
        let harness = Harness::new(store.clone());
        let uid = user(gap_ms);
        let begins = domain::Timestamp::from_millis(T0.millis() + 1000 + gap_ms);
        harness.transcribe(&uid, &named("phone", T0), &[(0, 1000, "one")]).await;
        harness.transcribe(&uid, &named("phone", begins), &[(0, 1000, "two")]).await;
        assert_eq!(harness.conversations(&uid).await.len(), conversations, "{gap_ms} ms after");
        let uid = user(-gap_ms);
        harness.transcribe(&uid, &named("phone", begins), &[(0, 1000, "two")]).await;
        harness.transcribe(&uid, &named("phone", T0), &[(0, 1000, "one")]).await;
        assert_eq!(harness.conversations(&uid).await.len(), conversations, "{gap_ms} ms before");
    }
}

pub async fn one_recording_may_hold_several_conversations(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let spoken = [(0, 1000, "early"), (60_000, 61_000, "still early"), (200_000, 201_000, "late")];
    let job = harness.transcribe(&ann(), &phone(0), &spoken).await;
    assert_eq!(harness.talk(&ann()).await, [vec!["early", "still early"], vec!["late"]]);
    assert_eq!(job.new_conversation_ids.len(), 2);
}

pub async fn late_recording_joins_two_conversations(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let late = harness.transcribe(&ann(), &phone(200), &[(0, 1000, "three")]).await.new_conversation_ids[0];
    let early = harness.transcribe(&ann(), &phone(0), &[(0, 1000, "one")]).await.new_conversation_ids[0];
    let bridge = harness.transcribe(&ann(), &phone(100), &[(0, 1000, "two")]).await;
    let [survivor] = &harness.conversations(&ann()).await[..] else { panic!("there is not exactly one conversation") };
    assert_eq!(survivor.id, early, "the earliest start survives");
    assert_eq!((survivor.started_at(), survivor.finished_at()), (T0, after(201)));
    assert_eq!(texts(&harness, late).await, ["one", "two", "three"], "a merged id returns its survivor");
    assert_eq!((bridge.new_conversation_ids, bridge.updated_conversation_ids), (vec![], vec![early]));
}

pub async fn chains_of_merged_ids_lead_to_the_survivor(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let ids = [400, 200, 0];
    let mut conversations = Vec::new();
    for begin in ids {
        conversations.push(harness.transcribe(&ann(), &phone(begin), &[(0, 1000, "x")]).await.new_conversation_ids[0]);
    }
    harness.transcribe(&ann(), &phone(300), &[(0, 1000, "first bridge")]).await;
    harness.transcribe(&ann(), &phone(100), &[(0, 1000, "second bridge")]).await;
    for id in conversations {
        assert_eq!(texts(&harness, id).await, ["x", "second bridge", "x", "first bridge", "x"]);
    }
}

pub async fn one_group_can_join_many_conversations(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    for begin in [800, 0, 400, 200, 600] {
        harness.transcribe(&ann(), &phone(begin), &[(0, 1000, "island")]).await;
    }
    assert_eq!(harness.conversations(&ann()).await.len(), 5);
    let job = harness.accept(&ann(), &[phone(50)]).await;
    let job = harness.claim(job.id).await;
    let starts = [50_u32, 250, 450, 650].map(|secs| secs * 1000);
    harness.plan(&job, 0, speech(&starts.map(|start| (start, start + 1000)))).await;
    let (job, _) = harness.say(&job, 0, &starts.map(|start| (start, "bridge"))).await;
    let joined = ["island", "bridge"].repeat(4).into_iter().chain(["island"]).collect::<Vec<_>>();
    assert_eq!(harness.talk(&ann()).await, [joined]);
    assert_eq!(job.updated_conversation_ids.len(), 1, "merged ids are not reported");
}

pub async fn conversations_never_mix_streams(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    for device in ["phone", "pendant"] {
        harness.transcribe(&ann(), &named(device, T0), &[(0, 1000, device)]).await;
    }
    let mut talk = harness.talk(&ann()).await;
    talk.sort();
    assert_eq!(talk, [["pendant"], ["phone"]]);
}

pub async fn title_comes_from_the_earliest_line_even_if_it_arrives_late(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    harness.transcribe(&ann(), &phone(60), &[(0, 1000, "and so on")]).await;
    harness.transcribe(&ann(), &phone(0), &[(0, 1000, "Good morning everyone")]).await;
    harness.transcribe(&ann(), &phone(30), &[(0, 1000, "in between")]).await;
    let [conversation] = &harness.conversations(&ann()).await[..] else {
        panic!("there is not exactly one conversation")
    };
    let opening = conversation.opening.as_ref().unwrap();
    assert_eq!((opening.at, opening.title.as_str()), (T0, "Good morning everyone"));
    assert_eq!(opening.language.as_deref(), Some("en"));
}

pub async fn recordings_of_the_same_moment_are_both_kept(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let batch = batch(&ann(), &[phone(0), "audio_phone_mulaw8_8000_1_fs160_1795168800.bin".to_owned()]);
    harness.transcribe_batch(&batch, &[&[(0, 1000, "yes")], &[(0, 1000, "yes")]]).await;
    assert_eq!(harness.talk(&ann()).await, [["yes", "yes"]]);
    assert_eq!(harness.usage(&ann()).await.segments, 2);
}

pub async fn a_recording_inside_a_conversation_changes_no_times(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    harness.transcribe(&ann(), &phone(0), &[(0, 100_000, "long")]).await;
    harness.transcribe(&ann(), &phone(50), &[(0, 1000, "short")]).await;
    let [conversation] = &harness.conversations(&ann()).await[..] else {
        panic!("there is not exactly one conversation")
    };
    assert_eq!((conversation.started_at(), conversation.finished_at()), (T0, after(100)));
    assert_eq!(harness.talk(&ann()).await, [["long", "short"]]);
}
