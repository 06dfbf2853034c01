//! A conversation as clients read it: the times of its segments are offsets from its start.

use domain::line::{Utterance, Word};
use domain::{ConversationId, Line, RecordingId, Timestamp};
use flow::ports::ConversationPage;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cursor;

#[derive(Serialize, ToSchema)]
#[schema(as = Conversation)]
pub struct ConversationView {
    #[schema(value_type = uuid::Uuid)]
    id: ConversationId,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    finished_at: Timestamp,
    source: String,
    device: String,
    #[schema(required)]
    language: Option<String>,
    title: String,
    /// Its text is there, but the user's credits are used up.
    locked: bool,
    /// In order of time.
    segments: Vec<SegmentView>,
    /// Where the segments go on: `GET /v2/conversations/{id}?cursor=`.
    #[schema(required)]
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Segment)]
struct SegmentView {
    id: String,
    /// From the start of the conversation.
    start_ms: i64,
    end_ms: i64,
    text: String,
    #[schema(required)]
    language: Option<String>,
    #[schema(value_type = String)]
    recording_id: RecordingId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    speaker: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    words: Option<Vec<WordView>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Word)]
struct WordView {
    start_ms: i64,
    end_ms: i64,
    text: String,
}

impl ConversationView {
    pub fn of(page: &ConversationPage) -> Self {
        let conversation = &page.conversation;
        let start = conversation.started_at();
        let opening = conversation.opening.as_ref();
        Self {
            id: conversation.id,
            started_at: start,
            finished_at: conversation.finished_at(),
            source: conversation.stream.source.to_string(),
            device: conversation.stream.device.clone(),
            language: opening.and_then(|o| o.language.clone()),
            title: opening.map(|o| o.title.clone()).unwrap_or_default(),
            locked: conversation.locked,
            segments: page.lines.iter().flat_map(|line| segments(line, start)).collect(),
            next_cursor: page.next.map(cursor::of_line),
        }
    }
}

/// A segment with several speakers becomes several entries: `<segment>.<n>`.
fn segments(line: &Line, start: Timestamp) -> impl Iterator<Item = SegmentView> {
    let offset = line.starts_at.millis() - start.millis();
    line.utterances.iter().enumerate().map(move |(n, utterance)| segment(line, n, utterance, offset))
}

fn segment(line: &Line, n: usize, utterance: &Utterance, offset: i64) -> SegmentView {
    SegmentView {
        id: format!("{}.{n}", line.segment()),
        start_ms: offset + i64::from(utterance.start_ms),
        end_ms: offset + i64::from(utterance.end_ms),
        text: utterance.text.clone(),
        language: line.language.clone(),
        recording_id: line.recording,
        speaker: utterance.speaker.clone(),
        words: utterance.words.as_ref().map(|words| words.iter().map(|word| WordView::of(word, offset)).collect()),
    }
}

impl WordView {
    fn of(word: &Word, offset: i64) -> Self {
        Self {
            start_ms: offset + i64::from(word.start_ms),
            end_ms: offset + i64::from(word.end_ms),
            text: word.text.clone(),
        }
    }
}

/// Conversations by id, or a page of them by time.
#[derive(Serialize, ToSchema)]
pub struct ConversationList {
    pub conversations: Vec<ConversationView>,
    /// To be passed as `cursor`; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}
