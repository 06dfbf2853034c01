//! Deleting a conversation, and then its texts.

use domain::deletion::{Deletion, after_page, delete};
use domain::{Conversation, ConversationId, RecordingId, Timestamp, Uid};
use flow::ports::{DueDeletion, Page, Removed};

use super::tables::Tables;

impl Tables {
    pub fn delete_conversation(&mut self, uid: &Uid, id: ConversationId, now: Timestamp) -> bool {
        let deletion = delete(self.resolve(uid, id).cloned(), now);
        if let Deletion::Marked(gone) = &deletion {
            self.conversations.insert((uid.clone(), gone.id), Conversation::clone(gone));
        }
        deletion.is_done()
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
        let (removed, last) = after_page(conversation, keys.len(), limit);
        self.conversations.extend(last.map(|conversation| ((uid.clone(), conversation.id), conversation)));
        removed
    }

    fn texts_of(&self, uid: &Uid, id: ConversationId) -> impl Iterator<Item = (Uid, RecordingId, u32)> {
        self.lines.iter().filter(move |(_, line)| self.stands_in(uid, id, line)).map(|(key, _)| key.clone())
    }

    pub fn due_deletions(&self, now: Timestamp, page: &Page<DueDeletion>) -> Vec<DueDeletion> {
        let due = self.conversations.values().filter_map(DueDeletion::of).filter(|due| now.has_reached(due.due_at));
        let mut due: Vec<_> = due.filter(|due| Some(due) > page.after.as_ref()).collect();
        due.sort();
        due.truncate(page.limit);
        due
    }
}
