//! A conversation: lines of one user that belong together by time, or because the app attached them by an explicit id.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::{ConversationId, RecordingId, SegmentId, Uid};
use crate::name::Stream;
use crate::rules::CONVERSATION_GAP;
use crate::time::{Timestamp, millis};

/// The namespace of derived conversation ids. It must never change: a replay has to find the same conversation.
const NAMESPACE: Uuid = Uuid::from_u128(0x8c1f_2c37_5f0e_4b0a_9d7a_2f6f_0c5e_a111);

/// A stretch of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Interval {
    pub start: Timestamp,
    pub end: Timestamp,
}

impl Interval {
    pub fn hull(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Whether the two overlap or touch.
    pub fn meets(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// Whether the two overlap, touch, or have less than the conversation gap between them.
    pub fn connects(self, other: Self) -> bool {
        let gap = self.start.max(other.start).millis() - self.end.min(other.end).millis();
        gap < millis(CONVERSATION_GAP)
    }

    /// The time in which another interval has to lie, at least in part, to connect with this one.
    pub fn reach(self) -> Self {
        Self { start: self.start - CONVERSATION_GAP, end: self.end + CONVERSATION_GAP }
    }
}

/// The earliest line of a conversation, in whatever order lines were placed. It gives the conversation its title and
/// language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    pub at: Timestamp,
    pub recording: RecordingId,
    pub start_ms: u32,
    pub stream: Stream,
    pub title: String,
    pub language: Option<String>,
}

impl Opening {
    fn order(&self) -> (Timestamp, RecordingId, u32) {
        (self.at, self.recording, self.start_ms)
    }

    pub fn earlier(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.order() <= self.order() => other,
            _ => self,
        }
    }
}

/// More steps than a chain of redirects can have: each step is a merge across a pause of two minutes, so that this many
/// steps are a fortnight of talk. A longer chain is a circle.
pub const MAX_REDIRECTS: usize = 10_000;

/// Whether a conversation is shown to its user, or what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConversationState {
    Live,
    Merged,
    Deleted,
}

impl ConversationState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Merged => "merged",
            Self::Deleted => "deleted",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    pub id: ConversationId,
    pub uid: Uid,
    /// The stream whose lines are placed here by time. Attached lines may come from other streams.
    pub stream: Stream,
    /// The interval of the lines placed by time. The intervals of one stream are disjoint, with at least the gap
    /// between them.
    pub timed: Option<Interval>,
    /// The interval of the lines attached by an explicit id. It takes no part in joining conversations by time.
    pub attached: Option<Interval>,
    pub opening: Option<Opening>,
    pub locked: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The conversation that this one was merged into. Readers and writers follow this redirect.
    pub merged_into: Option<ConversationId>,
    /// Conversations merged into this one that hold attached lines.
    pub merged_ids: Vec<ConversationId>,
    pub deleted_at: Option<Timestamp>,
    /// When the sweep has to remove the remaining texts of a deleted conversation.
    #[serde(default)]
    pub due_at: Option<Timestamp>,
}

impl Conversation {
    pub fn new(id: ConversationId, uid: &Uid, stream: &Stream, now: Timestamp) -> Self {
        Self {
            id,
            uid: uid.clone(),
            stream: stream.clone(),
            timed: None,
            attached: None,
            opening: None,
            locked: false,
            created_at: now,
            updated_at: now,
            merged_into: None,
            merged_ids: Vec::new(),
            deleted_at: None,
            due_at: None,
        }
    }

    pub fn state(&self) -> ConversationState {
        match (self.merged_into, self.deleted_at) {
            (Some(_), _) => ConversationState::Merged,
            (None, Some(_)) => ConversationState::Deleted,
            (None, None) => ConversationState::Live,
        }
    }

    pub fn is_live(&self) -> bool {
        self.state() == ConversationState::Live
    }

    /// The time from the first line to the last, attached ones included.
    pub fn span(&self) -> Option<Interval> {
        match (self.timed, self.attached) {
            (Some(timed), Some(attached)) => Some(timed.hull(attached)),
            (one, other) => one.or(other),
        }
    }

    pub fn started_at(&self) -> Timestamp {
        self.span().map_or(self.created_at, |span| span.start)
    }

    pub fn finished_at(&self) -> Timestamp {
        self.span().map_or(self.created_at, |span| span.end)
    }
}

/// The id of the conversation that a segment starts.
pub fn derived_id(uid: &Uid, stream: &Stream, first: SegmentId) -> ConversationId {
    let name = format!("{uid}\n{}\n{first}", stream.key());
    ConversationId(Uuid::new_v5(&NAMESPACE, name.as_bytes()))
}

/// The longest title, in characters and in words.
const TITLE_CHARS: usize = 60;
const TITLE_WORDS: usize = 8;

/// The first words of a text.
pub fn title_of(text: &str) -> String {
    let mut title = String::new();
    for word in text.split_whitespace().take(TITLE_WORDS) {
        if title.chars().count() + word.chars().count() > TITLE_CHARS {
            break;
        }
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(word);
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, after, conversation};

    #[test]
    fn merged_conversation_stays_merged_when_its_survivor_is_deleted() {
        let (live, other) = (conversation(1, 0), conversation(2, 0));
        assert_eq!(live.state(), ConversationState::Live);
        let deleted = Conversation { deleted_at: Some(NOW), ..live.clone() };
        assert_eq!(deleted.state(), ConversationState::Deleted);
        let merged = Conversation { merged_into: Some(other.id), ..live };
        assert_eq!(merged.state(), ConversationState::Merged);
        assert_eq!(Conversation { deleted_at: Some(NOW), ..merged }.state(), ConversationState::Merged);
    }

    #[test]
    fn intervals_meet_if_they_share_a_moment() {
        let interval = |start, end| Interval { start: after(start), end: after(end) };
        for (start, end, meet) in [(0, 9, false), (0, 10, true), (12, 13, true), (20, 30, true), (21, 30, false)] {
            assert_eq!(interval(start, end).meets(interval(10, 20)), meet, "{start} {end}");
            assert_eq!(interval(10, 20).meets(interval(start, end)), meet, "{start} {end}");
        }
    }
}
