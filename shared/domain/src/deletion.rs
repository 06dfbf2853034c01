//! Deletion of a conversation: it is marked in one step, and its texts are removed afterwards, page by page.

use crate::conversation::Conversation;
use crate::id::{ConversationId, Uid};
use crate::line::Line;
use crate::time::Timestamp;

/// The outcome of a request to delete a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The conversation is deleted now; it has to be written like this.
    Marked(Box<Conversation>),
    /// The same request, recognised by its time, deleted the conversation before, and its response was lost.
    Repeated,
    /// There is no conversation that could be deleted.
    NoSuchConversation,
}

/// Deletes the conversation that an id leads to once redirects are followed. It keeps its times, because they tell which
/// later lines of its recordings belong to the deleted conversation. Its title is removed at once.
pub fn delete(found: Option<Conversation>, now: Timestamp) -> Deletion {
    match found {
        Some(conversation) if conversation.is_live() => Deletion::Marked(Box::new(Conversation {
            deleted_at: Some(now),
            due_at: Some(now),
            updated_at: now,
            opening: None,
            ..conversation
        })),
        Some(conversation) if conversation.deleted_at == Some(now) => Deletion::Repeated,
        _ => Deletion::NoSuchConversation,
    }
}

impl Deletion {
    /// Whether the conversation is deleted by this request.
    pub fn is_done(&self) -> bool {
        *self != Self::NoSuchConversation
    }
}

/// A deleted conversation whose texts have to be removed. It is also the position after which their list continues.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueDeletion {
    pub due_at: Timestamp,
    pub uid: Uid,
    pub id: ConversationId,
}

impl DueDeletion {
    /// `None` if no texts of the conversation have to be removed.
    pub fn of(conversation: &Conversation) -> Option<Self> {
        let due_at = conversation.due_at?;
        Some(Self { due_at, uid: conversation.uid.clone(), id: conversation.id })
    }
}

/// The result of removing the texts of a page of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub lines: usize,
    /// Whether there may be more lines.
    pub more: bool,
}

/// The result of removing the texts of this many lines on a page of `limit`. Returns the conversation to write if no text
/// is left.
pub fn after_page(conversation: Conversation, lines: usize, limit: usize) -> (Removed, Option<Conversation>) {
    let more = lines == limit;
    (Removed { lines, more }, (!more).then(|| conversation.forgotten()))
}

impl Conversation {
    /// Whether the conversation is deleted and its texts still have to be removed.
    pub fn has_texts_to_remove(&self) -> bool {
        self.deleted_at.is_some() && self.due_at.is_some()
    }

    /// The conversation after all of its texts were removed.
    #[must_use]
    pub fn forgotten(self) -> Self {
        Self { due_at: None, ..self }
    }
}

impl Line {
    /// The line without its text. Identity and times stay, so that the same audio is never transcribed again.
    #[must_use]
    pub fn forgotten(self) -> Self {
        Self { utterances: Vec::new(), language: None, stub: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Interval, Opening};
    use crate::id::{ConversationId, RecordingId, Uid};
    use crate::name::{Source, Stream};

    const NOON: Timestamp = Timestamp::from_secs(1_795_168_800);

    fn conversation() -> Conversation {
        let stream = Stream { source: Source::Phone, device: "phone".to_owned() };
        let id: ConversationId = "11111111-1111-4111-8111-111111111111".parse().unwrap();
        let uid = Uid::new("ann").unwrap();
        let recording: RecordingId = "ab".repeat(16).parse().unwrap();
        let opening = Opening {
            at: NOON,
            recording,
            start_ms: 0,
            stream: stream.clone(),
            title: "a secret".into(),
            language: None,
        };
        let timed = Some(Interval { start: NOON, end: NOON });
        Conversation { timed, opening: Some(opening), ..Conversation::new(id, &uid, &stream, NOON) }
    }

    fn marked(now: Timestamp) -> Conversation {
        match delete(Some(conversation()), now) {
            Deletion::Marked(conversation) => *conversation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn deleted_conversation_keeps_its_times_and_loses_its_title_at_once() {
        let gone = marked(NOON);
        assert!(!gone.is_live() && gone.has_texts_to_remove() && gone.opening.is_none());
        assert_eq!(gone.timed, conversation().timed);
        assert!(!gone.forgotten().has_texts_to_remove());
    }

    #[test]
    fn conversation_is_due_until_a_page_is_not_full() {
        let gone = marked(NOON);
        let due = DueDeletion { due_at: NOON, uid: gone.uid.clone(), id: gone.id };
        assert_eq!(DueDeletion::of(&gone), Some(due));
        assert_eq!(after_page(gone.clone(), 2, 2), (Removed { lines: 2, more: true }, None));
        let (removed, last) = after_page(gone, 1, 2);
        assert_eq!(removed, Removed { lines: 1, more: false });
        assert_eq!(DueDeletion::of(&last.unwrap()), None);
    }

    #[test]
    fn only_the_same_deletion_request_is_recognised_as_repeated() {
        let later = Timestamp::from_millis(NOON.millis() + 1);
        assert_eq!(delete(Some(marked(NOON)), NOON), Deletion::Repeated);
        assert_eq!(delete(Some(marked(NOON).forgotten()), NOON), Deletion::Repeated);
        assert_eq!(delete(Some(marked(NOON)), later), Deletion::NoSuchConversation);
        assert_eq!(delete(None, NOON), Deletion::NoSuchConversation);
        assert!(delete(Some(marked(NOON)), NOON).is_done() && !delete(None, NOON).is_done());
    }
}
