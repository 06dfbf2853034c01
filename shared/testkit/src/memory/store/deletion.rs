//! Deleting a conversation, and then its texts.

use domain::deletion::{Deletion, delete};
use domain::{ConversationId, Line, RecordingId, Timestamp, Uid};
use flow::ports::{DueDeletion, Removed};

use super::tables::Tables;

impl Tables {
    pub fn delete_conversation(&mut self, uid: &Uid, id: ConversationId, now: Timestamp) -> bool {
        match delete(self.resolve(uid, id).cloned(), now) {
            Deletion::Marked(gone) => {
                self.conversations.insert((uid.clone(), gone.id), *gone);
                true
            }
            Deletion::Repeated => true,
            Deletion::NoSuchConversation => false,
        }
    }

    pub fn remove_texts(&mut self, uid: &Uid, id: ConversationId, limit: usize) -> Removed {
        let found = self.resolve(uid, id).filter(|c| c.has_texts_to_remove()).cloned();
        let Some(conversation) = found else { return Removed::default() };
        let keys: Vec<_> = self.texts_of(uid, conversation.id).take(limit).collect();
        for key in &keys {
            if let Some(line) = self.lines.get_mut(key) {
                *line = line.clone().forgotten();
            }
        }
        let more = keys.len() == limit;
        if !more {
            self.conversations.insert((uid.clone(), conversation.id), conversation.forgotten());
        }
        Removed { lines: keys.len(), more }
    }

    fn texts_of(&self, uid: &Uid, id: ConversationId) -> impl Iterator<Item = (Uid, RecordingId, u32)> {
        let stands_there = move |line: &Line| {
            let end = line.conversation_id.filter(|_| !line.stub).and_then(|at| self.resolve(uid, at));
            line.uid == *uid && end.is_some_and(|c| c.id == id)
        };
        self.lines.iter().filter(move |(_, line)| stands_there(line)).map(|(key, _)| key.clone())
    }

    pub fn due_deletions(&self, now: Timestamp, after: Option<&DueDeletion>, limit: usize) -> Vec<DueDeletion> {
        let due = self.conversations.values().filter_map(|c| {
            let due_at = c.due_at.filter(|at| now.has_reached(*at))?;
            Some(DueDeletion { due_at, uid: c.uid.clone(), id: c.id })
        });
        let mut due: Vec<_> = due.filter(|due| Some(due) > after).collect();
        due.sort();
        due.truncate(limit);
        due
    }
}
