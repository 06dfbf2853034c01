//! Deletes a conversation: first it is marked, then its texts are removed page by page.

use domain::deletion::{Deletion, after_page, delete as decide};
use domain::{Conversation, ConversationId, Line, Timestamp, Uid};
use flow::ports::Removed;
use rusqlite::Connection;

use super::fault::{Fault, Result};
use super::reading;
use super::redirects::Redirects;
use super::table::lines::Key;
use super::table::{conversations, lines};

pub fn delete(db: &Connection, uid: &Uid, id: ConversationId, now: Timestamp) -> Result<bool> {
    let deletion = decide(Redirects::of(db, uid).follow(id)?, now);
    if let Deletion::Marked(conversation) = &deletion {
        conversations::save(db, conversation)?;
    }
    Ok(deletion.is_done())
}

pub fn remove_texts(db: &Connection, uid: &Uid, id: ConversationId, limit: usize) -> Result<Removed> {
    let mut redirects = Redirects::of(db, uid);
    let found = redirects.follow(id)?.filter(Conversation::has_texts_to_remove);
    let Some(conversation) = found else { return Ok(Removed::default()) };
    // A line without its text leaves the indexes it is found by, so the next page begins where this one
    // did.
    let mut keys = reading::keys(db, &conversation, &mut redirects, Key::FIRST, limit)?;
    keys.truncate(limit);
    for key in &keys {
        match lines::at(db, uid, *key) {
            Ok(line) => line.map(Line::forgotten).map_or(Ok(()), |line| lines::update(db, &line))?,
            // The line cannot be read but may still contain its words, and it must not keep the others from being
            // removed.
            Err(Fault::Damaged { .. } | Fault::Newer { .. }) => lines::empty(db, uid, *key)?,
            Err(fault) => return Err(fault),
        }
    }
    let (removed, last) = after_page(conversation, keys.len(), limit);
    last.iter().try_for_each(|conversation| conversations::save(db, conversation))?;
    Ok(removed)
}
