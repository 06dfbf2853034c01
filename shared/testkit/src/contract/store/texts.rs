//! Texts: a segment's text is stored once, and the first one wins.

use std::sync::Arc;

use domain::line::{Utterance, Word};
use domain::placement::MAX_GROUP;
use domain::{Job, Line};
use flow::Kind;
use flow::ports::Store;

use super::{MS, ann, bob};
use crate::build::{line_for, phone, speech};
use crate::harness::{Harness, written};

async fn planned(store: Arc<dyn Store>) -> (Harness, Job) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, speech(&[(0, 900), (2000, 3000), (5000, 6000)])).await;
    (harness, job)
}

fn texts(lines: &[Line]) -> Vec<String> {
    lines.iter().map(Line::text).collect()
}

pub async fn stored_lines_read_back_in_order_of_time(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    harness.store(&job, 0, &[(5000, "three"), (0, "one")]).await;
    let recording = job.files[0].recording;
    let lines = harness.store.lines(&ann(), recording, &[5000, 2000, 0, 77]).await.unwrap();
    assert_eq!(texts(&lines), ["one", "three"]);
    let lines = harness.store.lines(&ann(), recording, &[5000]).await.unwrap();
    assert_eq!(texts(&lines), ["three"], "only the requested lines");
    assert_eq!(harness.store.lines(&ann(), recording, &[]).await.unwrap().len(), 0);
}

pub async fn line_keeps_all_its_fields(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    let mut line = line_for(&harness.recording(&job, 0).await, 0, "");
    let word = |start_ms, end_ms, text: &str| Word { start_ms, end_ms, text: text.into() };
    line.utterances = vec![
        Utterance {
            start_ms: 10,
            end_ms: 400,
            text: "Grüße, \"你好\"\n".into(),
            speaker: Some("0".into()),
            words: Some(vec![word(10, 200, "Grüße,"), word(210, 400, "你好")]),
        },
        Utterance { start_ms: 500, end_ms: 900, text: "yes".into(), speaker: None, words: None },
    ];
    line.words = 3;
    line.language = None;
    assert_eq!(written(harness.try_store(&job, std::slice::from_ref(&line)).await), [line.clone()]);
    assert_eq!(harness.store.lines(&ann(), line.recording, &[0]).await.unwrap(), [line]);
}

pub async fn the_first_text_of_a_segment_wins(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    harness.store(&job, 0, &[(0, "one"), (2000, "two")]).await;
    let stored = harness.store(&job, 0, &[(2000, "zwei"), (5000, "drei")]).await;
    let mut stored: Vec<_> = stored.iter().map(|line| (line.start_ms, line.text())).collect();
    stored.sort();
    assert_eq!(stored, [(2000, "two".to_owned()), (5000, "drei".to_owned())]);
    let lines = harness.store.lines(&ann(), job.files[0].recording, &[0, 2000, 5000]).await.unwrap();
    assert_eq!(texts(&lines), ["one", "two", "drei"]);
}

pub async fn first_text_wins_across_jobs(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    harness.store(&job, 0, &[(0, "one")]).await;
    let other = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    let other = harness.claim(other.id).await;
    assert_eq!(texts(&harness.store(&other, 0, &[(0, "eins")]).await), ["one"]);
}

pub async fn one_of_several_concurrent_texts_is_returned_to_every_writer(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    let recording = harness.recording(&job, 0).await;
    let harness = Arc::new(harness);
    let put = |n: u32| {
        let (harness, job, line) = (harness.clone(), job.clone(), line_for(&recording, 0, &format!("version {n}")));
        tokio::spawn(async move { written(harness.try_store(&job, &[line]).await) })
    };
    let tasks: Vec<_> = (0..8).map(put).collect();
    let stored = harness.store(&job, 0, &[(0, "too late")]).await;
    for task in tasks {
        assert_eq!(task.await.unwrap(), stored);
    }
}

pub async fn text_is_in_no_conversation_before_it_is_placed(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    harness.say(&job, 0, &[(0, "placed")]).await;
    harness.store(&job, 0, &[(2000, "only stored")]).await;
    assert_eq!(harness.talk(&ann()).await, [["placed"]]);
    assert_eq!(harness.usage(&ann()).await.segments, 1);
}

pub async fn storing_texts_extends_the_lease(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    harness.pass(harness.rules.lease - MS);
    harness.store(&job, 0, &[(0, "still here")]).await;
    let job = harness.job(job.id).await;
    assert_eq!(job.lease.until, Some(harness.now() + harness.rules.lease));
    assert_eq!(job.due_at, job.held_until(&harness.rules));
}

pub async fn more_lines_than_a_group_holds_are_refused(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let spans: Vec<_> = (0..=MAX_GROUP as u32).map(|i| (i * 1000, i * 1000 + 900)).collect();
    let (job, recording) = harness.plan(&job, 0, speech(&spans)).await;
    let mut lines: Vec<_> = spans.iter().map(|(start, _)| line_for(&recording, *start, "x")).collect();
    let error = harness.store.store_texts(job.id, job.lease.fence, lines.clone(), harness.at()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    lines.pop();
    assert_eq!(written(harness.try_store(&job, &lines).await).len(), MAX_GROUP);
}

pub async fn lines_of_another_users_recording_are_refused(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    let theirs = line_for(&harness.recording(&job, 0).await, 0, "put into your mouth");
    let mine = harness.accept(&bob(), &[phone(0)]).await;
    let mine = harness.claim(mine.id).await;
    let (mine, recording) = harness.plan(&mine, 0, speech(&[(0, 900)])).await;
    let mut mixed = line_for(&recording, 0, "mixed");
    mixed.recording = theirs.recording;
    let mut in_her_name = line_for(&recording, 0, "signed by another");
    in_her_name.uid = ann();
    for line in [theirs.clone(), mixed, in_her_name] {
        let answer = harness.store.store_texts(mine.id, mine.lease.fence, vec![line], harness.at()).await;
        assert_eq!(answer.unwrap_err().kind, Kind::Invalid);
    }
    for recording in [theirs.recording, recording.id] {
        assert_eq!(harness.store.lines(&ann(), recording, &[0]).await.unwrap().len(), 0);
    }
}
