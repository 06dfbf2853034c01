//! Follows merged conversations to the one they were merged into, step by step.

use std::collections::HashMap;

use domain::conversation::MAX_REDIRECTS;
use domain::{Conversation, ConversationId, Uid};
use rusqlite::Connection;

use super::fault::Result;
use super::table::conversations;

/// Follows chains of one user within one transaction, and reads each step only once.
pub struct Redirects<'a> {
    db: &'a Connection,
    uid: &'a Uid,
    known: HashMap<ConversationId, ConversationId>,
}

impl<'a> Redirects<'a> {
    pub fn of(db: &'a Connection, uid: &'a Uid) -> Self {
        Self { db, uid, known: HashMap::new() }
    }

    /// The id at the end of the chain; the id itself if it was not merged or is unknown.
    pub fn end(&mut self, id: ConversationId) -> Result<ConversationId> {
        let mut passed = Vec::new();
        let mut at = id;
        loop {
            if let Some(end) = self.known.get(&at) {
                at = *end;
                break;
            }
            let Some(next) = conversations::merged_into(self.db, self.uid, at)? else { break };
            passed.push(at);
            if passed.len() > MAX_REDIRECTS {
                // A circle does not lead to a live conversation.
                flow::document::report_unreadable("conversations", &id, &"its redirects lead in a circle");
                return Ok(id);
            }
            at = next;
        }
        passed.push(at);
        self.known.extend(passed.into_iter().map(|step| (step, at)));
        Ok(at)
    }

    /// The conversation at the end of the chain, live or deleted; `None` if it is unknown.
    pub fn follow(&mut self, id: ConversationId) -> Result<Option<Conversation>> {
        let end = self.end(id)?;
        conversations::load(self.db, self.uid, end)
    }
}
