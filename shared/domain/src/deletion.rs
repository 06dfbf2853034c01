//! Deleting a conversation: marked in one step, its texts removed afterwards, page by page. Pure.

use crate::conversation::Conversation;
use crate::line::Line;
use crate::time::Timestamp;

/// What a wish to delete comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Deleted now: the conversation as it is to be written.
    Marked(Box<Conversation>),
    /// This very wish deleted it before, and its answer was lost: the moment is the same.
    Repeated,
    /// There is nothing that could be deleted.
    NoSuchConversation,
}

/// Deletes what an id stands for, redirects followed. The conversation keeps its times, so that what is left of its
/// recordings is known by them; its title goes at once.
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

impl Conversation {
    /// Its texts are to be removed.
    pub fn has_texts_to_remove(&self) -> bool {
        self.deleted_at.is_some() && self.due_at.is_some()
    }

    /// Nothing of its texts is left.
    #[must_use]
    pub fn forgotten(self) -> Self {
        Self { due_at: None, ..self }
    }
}

impl Line {
    /// Its identity and its place, without what was said: the same audio stays known for ever.
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
    fn what_is_deleted_keeps_its_times_and_loses_its_title_at_once() {
        let gone = marked(NOON);
        assert!(!gone.is_live() && gone.has_texts_to_remove() && gone.opening.is_none());
        assert_eq!(gone.timed, conversation().timed);
        assert!(!gone.forgotten().has_texts_to_remove());
    }

    #[test]
    fn only_the_very_wish_that_deleted_it_hears_so_again() {
        let later = Timestamp::from_millis(NOON.millis() + 1);
        assert_eq!(delete(Some(marked(NOON)), NOON), Deletion::Repeated);
        assert_eq!(delete(Some(marked(NOON).forgotten()), NOON), Deletion::Repeated);
        assert_eq!(delete(Some(marked(NOON)), later), Deletion::NoSuchConversation);
        assert_eq!(delete(None, NOON), Deletion::NoSuchConversation);
    }
}
