//! What is written: a conversation with its segments, as the API answers it.

use domain::Timestamp;
use serde::{Deserialize, Serialize};

/// The latest time in a conversation that is shown: ten years after its start. Without a limit, a wrong time could
/// overflow.
const MAX_MS: i64 = 10 * 366 * 24 * 3_600_000;

/// What is known about a conversation besides its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The id of the conversation.
    pub id: String,
    /// All times of segments count from here.
    pub started_at: Timestamp,
    /// When the conversation ended, if that is known before its text is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// What recorded it, such as `phone`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The device that recorded it, if there are several of that kind.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub device: String,
    /// The language of the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// An empty title is the same as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// What one speaker said without a break.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The id of the segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// From the start of the conversation.
    pub start_ms: i64,
    /// From the start of the conversation.
    pub end_ms: i64,
    /// What was said.
    pub text: String,
    /// The language of the segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The recording that the segment comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_id: Option<String>,
    /// A name, or the label that an engine gave: `0`, `A`, `SPEAKER_00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// The times of the words, where the engine tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<Word>>,
}

/// One word of a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// From the start of the conversation.
    pub start_ms: i64,
    /// From the start of the conversation.
    pub end_ms: i64,
    /// The word as the engine wrote it.
    pub text: String,
}

/// A conversation with its text. Fields that this crate does not know are ignored when it is read from JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// What is known besides the text.
    #[serde(flatten)]
    pub head: Head,
    /// The text, in any order.
    #[serde(default)]
    pub segments: Vec<Segment>,
}

impl Segment {
    /// Start and end, of which neither is negative and the end is not before the start.
    pub(crate) fn span(&self) -> (u64, u64) {
        span(self.start_ms, self.end_ms)
    }

    /// A point in time of the segment.
    pub(crate) fn starts_at(&self, head: &Head) -> i64 {
        let (start, _) = self.span();
        head.started_at.millis().saturating_add(i64::try_from(start).unwrap_or(MAX_MS))
    }
}

impl Word {
    pub(crate) fn span(&self) -> (u64, u64) {
        span(self.start_ms, self.end_ms)
    }
}

fn span(start: i64, end: i64) -> (u64, u64) {
    let start = start.clamp(0, MAX_MS);
    (start.unsigned_abs(), end.clamp(start, MAX_MS).unsigned_abs())
}
