//! Reading back: recordings, conversations by time, their lines page by page, usage by the hour.

use std::sync::Arc;
use std::time::Duration;

use domain::{ConversationId, Timestamp};
use flow::ports::{ConversationQuery, LineCursor, LineQuery, Page, Store};

use super::{MS, ann};
use crate::build::{T0, after, batch, conversation_id, named, phone, recording_id, uid};
use crate::harness::Harness;

const HOUR: Duration = Duration::from_secs(3600);

pub async fn recordings_are_returned_in_the_requested_order(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    let unknown = recording_id(&ann(), &phone(7));
    let ids = [job.files[1].recording, unknown, job.files[0].recording, job.files[1].recording];
    let found = harness.store.recordings(&ann(), &ids).await.unwrap();
    let names: Vec<_> = found.iter().map(|recording| recording.as_ref().map(|r| r.name.clone())).collect();
    assert_eq!(names, [Some(phone(90)), None, Some(phone(0)), Some(phone(90))]);
}

pub async fn pages_of_lines_show_every_line_once(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    // Three recordings begin at the same moment: only the ids tell their lines apart.
    let names: Vec<_> = ["phone", "pendant", "watch"].iter().map(|device| named(device, T0)).collect();
    let mut batch = batch(&ann(), &names);
    for file in &mut batch.files {
        file.stream.device = "phone".into();
    }
    let segments: &[_] = &[(0, 900, "a"), (1000, 1900, "b")];
    harness.transcribe_batch(&batch, &[segments, segments, segments]).await;
    let [conversation] = &harness.conversations(&ann()).await[..] else {
        panic!("there is not exactly one conversation")
    };
    let all = harness.page(&ann(), conversation.id).await.unwrap().lines;
    assert!(all.len() == 6 && all.is_sorted_by_key(|line| line.order()));
    for size in 1..=7 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let query = LineQuery::of(&ann(), conversation.id, Page { after, limit: size });
            let page = harness.store.conversation(&query).await.unwrap().unwrap();
            assert!(page.lines.len() <= size);
            assert_eq!(page.conversation, *conversation);
            seen.extend(page.lines);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, all, "pages of {size}");
    }
}

pub async fn page_continues_after_a_cursor_of_a_missing_line(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    harness.transcribe(&ann(), &phone(0), &[(0, 900, "a"), (2000, 2900, "b")]).await;
    let id = harness.conversations(&ann()).await[0].id;
    let after = LineCursor { starts_at: T0 + MS, recording: recording_id(&ann(), "any"), start_ms: 9 };
    let query = LineQuery::of(&ann(), id, Page { after: Some(after), limit: 10 });
    let page = harness.store.conversation(&query).await.unwrap().unwrap();
    assert_eq!(page.lines.iter().map(domain::Line::text).collect::<Vec<_>>(), ["b"]);
}

pub async fn an_unknown_conversation_is_none(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    harness.transcribe(&ann(), &phone(0), &[(0, 900, "a")]).await;
    assert_eq!(harness.page(&ann(), conversation_id(404)).await, None);
    assert_eq!(harness.conversations(&uid("nobody")).await, []);
}

/// Five conversations, an hour apart, two of them beginning at the same moment in two streams.
async fn five_conversations(store: Arc<dyn Store>) -> (Harness, Vec<(Timestamp, ConversationId)>) {
    let harness = Harness::new(store);
    for hour in [3, 0, 2, 1] {
        harness.transcribe(&ann(), &phone(hour * 3600), &[(0, 900, "x")]).await;
    }
    harness.transcribe(&ann(), &named("pendant", after(3600)), &[(0, 900, "x")]).await;
    let all: Vec<_> = harness.conversations(&ann()).await.iter().map(|c| (c.started_at(), c.id)).collect();
    assert!(all.len() == 5 && all.is_sorted());
    (harness, all)
}

pub async fn conversations_of_a_time_include_its_start_and_not_its_end(store: Arc<dyn Store>) {
    let (harness, all) = five_conversations(store).await;
    let between = async |from: Option<Timestamp>, to: Option<Timestamp>| {
        let query = ConversationQuery { from, to, ..ConversationQuery::all(&ann(), Page::first(10)) };
        let found = harness.store.conversations(&query).await.unwrap();
        found.iter().map(|c| (c.started_at(), c.id)).collect::<Vec<_>>()
    };
    let (one, two) = (T0 + HOUR, T0 + 2 * HOUR);
    assert_eq!(between(None, None).await, all);
    assert_eq!(between(Some(one), None).await, all[1..]);
    assert_eq!(between(Some(one + MS), None).await, all[3..]);
    assert_eq!(between(None, Some(one)).await, all[..1]);
    assert_eq!(between(None, Some(one + MS)).await, all[..3]);
    assert_eq!(between(Some(one), Some(two)).await, all[1..3]);
    assert_eq!(between(Some(two), Some(one)).await, []);
}

pub async fn pages_of_conversations_show_every_conversation_once(store: Arc<dyn Store>) {
    let (harness, all) = five_conversations(store).await;
    for size in 1..=6 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let all = ConversationQuery::all(&ann(), Page { after, limit: size });
            let page = harness.store.conversations(&ConversationQuery { from: Some(T0), ..all }).await.unwrap();
            assert!(page.len() <= size);
            seen.extend(page.iter().map(|c| (c.started_at(), c.id)));
            let Some(last) = page.last() else { break };
            after = Some((last.started_at(), last.id));
        }
        assert_eq!(seen, all, "pages of {size}");
    }
}

pub async fn usage_of_a_time_includes_its_start_and_not_its_end(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    for hour in 0..4 {
        harness.clock.set(after(hour * 3600 + 1800));
        harness.transcribe(&ann(), &phone(hour * 3600), &[(0, 900, "x")]).await;
    }
    let hours = async |from: Timestamp, to: Timestamp, limit| {
        let buckets = harness.store.usage(&ann(), from, to, limit).await.unwrap();
        buckets.iter().map(|bucket| T0.until(bucket.hour).as_secs() / 3600).collect::<Vec<_>>()
    };
    assert_eq!(hours(T0, T0 + 4 * HOUR, 10).await, [0, 1, 2, 3]);
    assert_eq!(hours(T0 + HOUR, T0 + 3 * HOUR, 10).await, [1, 2]);
    assert_eq!(hours(T0 + HOUR + MS, T0 + 3 * HOUR + MS, 10).await, [2, 3], "the hour of a bucket is its start");
    assert_eq!(hours(T0, T0 + 4 * HOUR, 3).await, [0, 1, 2]);
    assert_eq!(hours(T0 + 2 * HOUR, T0 + HOUR, 3).await.len(), 0);
}
