//! A conversation as clients read it: times of its segments are offsets from its start.

use domain::line::{Utterance, Word};
use domain::{Line, Timestamp};
use flow::ports::ConversationPage;
use serde_json::{Value, json};

use crate::cursor;

pub fn conversation(page: &ConversationPage) -> Value {
    let conversation = &page.conversation;
    let start = conversation.started_at();
    let opening = conversation.opening.as_ref();
    json!({
        "id": conversation.id,
        "started_at": start,
        "finished_at": conversation.finished_at(),
        "source": conversation.stream.source,
        "device": conversation.stream.device,
        "language": opening.and_then(|o| o.language.as_deref()),
        "title": opening.map(|o| o.title.as_str()).unwrap_or_default(),
        "locked": conversation.locked,
        "segments": page.lines.iter().flat_map(|line| segments(line, start)).collect::<Vec<_>>(),
        "next_cursor": page.next.map(cursor::of_line),
    })
}

/// Several speakers in one segment are several entries: `<segment>.<n>`.
fn segments(line: &Line, start: Timestamp) -> Vec<Value> {
    let offset = line.starts_at.millis() - start.millis();
    line.utterances.iter().enumerate().map(|(n, utterance)| segment(line, n, utterance, offset)).collect()
}

fn segment(line: &Line, n: usize, utterance: &Utterance, offset: i64) -> Value {
    let mut body = json!({
        "id": format!("{}.{n}", line.segment()),
        "start_ms": offset + i64::from(utterance.start_ms),
        "end_ms": offset + i64::from(utterance.end_ms),
        "text": utterance.text,
        "language": line.language,
        "recording_id": line.recording,
    });
    if let Some(speaker) = &utterance.speaker {
        body["speaker"] = json!(speaker);
    }
    if let Some(words) = &utterance.words {
        body["words"] = words.iter().map(|w| word(w, offset)).collect();
    }
    body
}

fn word(word: &Word, offset: i64) -> Value {
    json!({
        "start_ms": offset + i64::from(word.start_ms),
        "end_ms": offset + i64::from(word.end_ms),
        "text": word.text,
    })
}
