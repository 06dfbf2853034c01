//! Follows merged conversations to the one they were merged into, step by step.

use std::collections::HashMap;

use domain::conversation::MAX_REDIRECTS;
use domain::{Conversation, ConversationId, Uid};

use super::fault::{Fault, Result};
use super::table::{conversations, sound};
use super::unit_of_work::Unit;

/// Follows chains of one user within one unit of work, and reads each conversation only once.
pub struct Redirects<'a> {
    uid: &'a Uid,
    known: HashMap<ConversationId, Option<Conversation>>,
}

impl<'a> Redirects<'a> {
    pub fn of(uid: &'a Uid) -> Self {
        Self { uid, known: HashMap::new() }
    }

    /// The conversation at the end of the chain, live or deleted; `None` if it is unknown.
    pub async fn follow(&mut self, unit: &mut Unit<'_>, id: ConversationId) -> Result<Option<Conversation>> {
        Ok(self.ends(unit, &[id]).await?.pop().flatten())
    }

    /// The conversation at the end of each chain. All chains are followed together, with as many reads as
    /// the longest chain has steps.
    pub async fn ends(&mut self, unit: &mut Unit<'_>, ids: &[ConversationId]) -> Result<Vec<Option<Conversation>>> {
        for _ in 0..MAX_REDIRECTS {
            let mut unknown: Vec<_> = ids.iter().filter_map(|id| self.stopped_at(*id)).collect();
            unknown.sort_unstable();
            unknown.dedup();
            if unknown.is_empty() {
                return Ok(ids.iter().map(|id| self.end(*id).cloned()).collect());
            }
            let loaded = conversations::load(unit, self.uid, &unknown).await?;
            self.known.extend(unknown.into_iter().zip(loaded));
        }
        // A circle does not lead to a live conversation.
        sound::<()>(Err(Fault::damaged(format_args!("conversations/{}", ids[0]), "redirects lead in a circle")))?;
        Ok(ids.iter().map(|_| None).collect())
    }

    /// The first id in the chain that has not been read yet.
    fn stopped_at(&self, id: ConversationId) -> Option<ConversationId> {
        let mut at = id;
        // A circle consists of known ids only and has no end, so the steps are counted.
        for _ in 0..=self.known.len() {
            match self.known.get(&at) {
                None => return Some(at),
                Some(found) => at = found.as_ref()?.merged_into?,
            }
        }
        None
    }

    fn end(&self, id: ConversationId) -> Option<&Conversation> {
        let mut found = self.known.get(&id)?.as_ref()?;
        for _ in 0..self.known.len() {
            match found.merged_into {
                None => return Some(found),
                Some(next) => found = self.known.get(&next)?.as_ref()?,
            }
        }
        None
    }
}
