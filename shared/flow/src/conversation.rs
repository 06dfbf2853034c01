//! Deleting a conversation for good: marked at once, so that nobody reads it any more, then its texts are removed.

use domain::{ConversationId, Timestamp, Uid};

use crate::error::Result;
use crate::ports::{At, DueDeletion};
use crate::retry::with_retries;
use crate::services::Services;

/// Lines whose texts are removed in one transaction: few enough that nobody waits long behind it.
const PAGE: usize = 200;
/// Pages that are removed before the answer: an hour of talk. The sweep removes the rest.
const PAGES_AT_ONCE: usize = 5;
/// Pages of one conversation that a sweep removes before it turns to the next.
const PAGES_IN_A_SWEEP: usize = 200;
/// Deleted conversations read at once.
const DELETIONS: usize = 100;

/// False when the user has no such conversation, or no longer.
pub async fn delete(services: &Services, uid: &Uid, id: ConversationId) -> Result<bool> {
    // One moment for all tries: by it a repeated one recognises its own effect.
    let now = services.now();
    let at = || At { now, rules: &services.settings.rules };
    if !with_retries(&*services.clock, || services.store.delete_conversation(uid, id, at())).await? {
        return Ok(false);
    }
    tracing::debug!(step = "delete", conversation_id = %id, "a conversation was deleted");
    // It is deleted, whatever becomes of this: the sweep goes on with what is left.
    if let Err(error) = remove(services, uid, id, PAGES_AT_ONCE).await {
        tracing::warn!(conversation_id = %id, %error, "texts of a deleted conversation stay until the sweep");
    }
    Ok(true)
}

/// The lines whose texts were removed, of at most so many pages.
async fn remove(services: &Services, uid: &Uid, id: ConversationId, pages: usize) -> Result<u64> {
    let mut lines = 0;
    for _ in 0..pages {
        let removed = with_retries(&*services.clock, || services.store.remove_texts(uid, id, PAGE)).await?;
        lines += removed.lines as u64;
        if !removed.more {
            break;
        }
    }
    Ok(lines)
}

/// Removes what is left of deleted conversations, of at most `limit` of them and until `over`; says how many were seen to.
pub async fn sweep(services: &Services, limit: usize, over: Timestamp) -> Result<u64> {
    let (now, mut left, mut seen_to) = (services.now(), limit, 0);
    let mut after: Option<DueDeletion> = None;
    while left > 0 && !services.now().has_reached(over) {
        let wanted = DELETIONS.min(left);
        let page = services.store.due_deletions(now, after.as_ref(), wanted).await?;
        for DueDeletion { uid, id, .. } in &page {
            // One conversation's trouble does not stop the others: it stays due.
            match remove(services, uid, *id, PAGES_IN_A_SWEEP).await {
                Ok(_) => seen_to += 1,
                Err(error) => tracing::warn!(conversation_id = %id, %error, "texts could not be removed"),
            }
        }
        // A short page is the last one.
        left = if page.len() == wanted { left - wanted } else { 0 };
        after = page.into_iter().last();
    }
    Ok(seen_to)
}
