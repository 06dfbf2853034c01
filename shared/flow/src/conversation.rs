//! Permanent deletion of a conversation: it is marked at once, so that nobody can read it, and then its texts are removed.

use domain::{ConversationId, Timestamp, Uid};

use crate::error::Result;
use crate::ports::{At, DueDeletion, Page};
use crate::retry::with_retries;
use crate::services::Services;

/// The lines whose texts one transaction removes: few enough that no other transaction waits long.
const PAGE: usize = 200;
/// The pages that are removed before the response: about an hour of talk. The sweep removes the rest.
const PAGES_AT_ONCE: usize = 5;
/// The most pages of one conversation that a sweep removes before it continues with the next one.
const PAGES_IN_A_SWEEP: usize = 200;
/// The number of deleted conversations that are read at once.
const DELETIONS: usize = 100;

/// Deletes a conversation. Returns false if the user has no such conversation, or no longer has it.
pub async fn delete(services: &Services, uid: &Uid, id: ConversationId) -> Result<bool> {
    // All tries use the same time, by which a repeated deletion is recognised.
    let now = services.now();
    let at = || At { now, rules: &services.settings.rules };
    if !with_retries(&*services.clock, || services.store.delete_conversation(uid, id, at())).await? {
        return Ok(false);
    }
    tracing::debug!(step = "delete", conversation_id = %id, "a conversation was deleted");
    // The conversation is deleted even if this fails: the sweep removes the remaining texts.
    if let Err(error) = remove(services, uid, id, PAGES_AT_ONCE).await {
        tracing::warn!(
            conversation_id = %id, %error,
            "texts of a deleted conversation could not be removed; the sweep will remove them"
        );
    }
    Ok(true)
}

/// Removes texts of at most `pages` pages, and returns the number of lines.
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

/// Removes the remaining texts of at most `limit` deleted conversations, until `over`. Returns how many were processed.
pub async fn sweep(services: &Services, limit: usize, over: Timestamp) -> Result<u64> {
    let (now, mut left, mut processed) = (services.now(), limit, 0);
    let mut page = Page::first(DELETIONS);
    while left > 0 && !services.now().has_reached(over) {
        page.limit = DELETIONS.min(left);
        let due = services.store.due_deletions(now, &page).await?;
        for DueDeletion { uid, id, .. } in &due {
            // An error with one conversation does not stop the others; it stays due.
            match remove(services, uid, *id, PAGES_IN_A_SWEEP).await {
                Ok(_) => processed += 1,
                Err(error) => {
                    tracing::warn!(conversation_id = %id, %error, "texts could not be removed; the next sweep retries");
                }
            }
        }
        // A short page is the last one.
        left = if due.len() == page.limit { left - page.limit } else { 0 };
        page.after = due.into_iter().last();
    }
    Ok(processed)
}
