//! A line: the stored text of one segment. It is identified by recording and start, never by its text: two people may say
//! "yes" twice.

use serde::{Deserialize, Serialize};

use crate::id::{ConversationId, RecordingId, SegmentId, Uid};
use crate::name::Stream;
use crate::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Offsets from the segment's start.
    pub start_ms: u32,
    pub end_ms: u32,
    pub text: String,
}

/// The text of one speaker without a break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utterance {
    /// Offsets from the segment's start.
    pub start_ms: u32,
    pub end_ms: u32,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Vec<Word>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub recording: RecordingId,
    pub start_ms: u32,
    pub uid: Uid,
    pub stream: Stream,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub language: Option<String>,
    pub utterances: Vec<Utterance>,
    /// The number of words, counted when the engine answered. Usage is taken from this stored number.
    pub words: u64,
    /// The conversation of the line; `None` until it is placed.
    pub conversation_id: Option<ConversationId>,
    /// Whether the line was placed by an explicit conversation id and not by time.
    pub attached: bool,
    /// Whether the conversation of the line was deleted: its identity is kept for ever, its text is gone.
    pub stub: bool,
}

/// How a conversation finds a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// By its stream and its time.
    Time,
    /// By the id of the conversation that it was attached to.
    Id(ConversationId),
}

impl Line {
    /// `None` if the line is not placed, or if its text is gone.
    pub fn found_by(&self) -> Option<FoundBy> {
        let id = self.conversation_id.filter(|_| !self.stub)?;
        Some(if self.attached { FoundBy::Id(id) } else { FoundBy::Time })
    }

    pub fn segment(&self) -> SegmentId {
        SegmentId { recording: self.recording, start_ms: self.start_ms }
    }

    /// The key that lines of a conversation are sorted by.
    pub fn order(&self) -> (Timestamp, RecordingId, u32) {
        (self.starts_at, self.recording, self.start_ms)
    }

    pub fn text(&self) -> String {
        self.utterances.iter().map(|u| u.text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// The number of words, separated by white space.
pub fn count_words(utterances: &[Utterance]) -> u64 {
    utterances.iter().map(|u| u.text.split_whitespace().count() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{conversation, job, line};

    #[test]
    fn line_is_found_by_time_or_by_id_once_it_is_placed_and_until_its_text_is_gone() {
        let (unplaced, id) = (line(job(1, 0, true).files[0].recording, 0), conversation(1, 0).id);
        assert_eq!(unplaced.found_by(), None);
        let timed = Line { conversation_id: Some(id), ..unplaced };
        assert_eq!(timed.found_by(), Some(FoundBy::Time));
        let attached = Line { attached: true, ..timed };
        assert_eq!(attached.found_by(), Some(FoundBy::Id(id)));
        assert_eq!(attached.forgotten().found_by(), None);
    }
}
