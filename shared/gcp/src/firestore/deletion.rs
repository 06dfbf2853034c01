//! Deletes a conversation: first it is marked, then its texts are removed page by page.

use domain::deletion::{Deletion, after_page, delete as decide};
use domain::{Conversation, ConversationId, Line, Timestamp, Uid};
use flow::ports::Removed;

use super::fault::Result;
use super::path::Path;
use super::reading;
use super::redirects::Redirects;
use super::table::{conversations, lines, timelines};
use super::unit_of_work::Unit;

/// The most texts removed in one transaction, where each is read and written.
const MAX_PAGE: usize = 200;

pub async fn delete(unit: &mut Unit<'_>, uid: &Uid, id: ConversationId, now: Timestamp) -> Result<bool> {
    let deletion = decide(Redirects::of(uid).follow(unit, id).await?, now);
    if let Deletion::Marked(conversation) = &deletion {
        conversations::save(unit, conversation)?;
        // A job in progress reads the timeline before it places more segments of the same recording.
        let stream = conversation.stream.key();
        let mut timeline = timelines::decode(unit.one(&Path::timeline(uid, &stream)).await?.as_ref(), now);
        timeline.deleted_at = timeline.deleted_at.max(Some(now));
        timelines::save(unit, uid, &stream, timeline);
    }
    Ok(deletion.is_done())
}

pub async fn remove_texts(unit: &mut Unit<'_>, uid: &Uid, id: ConversationId, limit: usize) -> Result<Removed> {
    let mut redirects = Redirects::of(uid);
    let found = redirects.follow(unit, id).await?.filter(Conversation::has_texts_to_remove);
    let Some(conversation) = found else { return Ok(Removed::default()) };
    let limit = limit.min(MAX_PAGE);
    // A line without its text leaves the indexes it is found by, so the next page begins where this one
    // did.
    let mut texts = reading::lines_of(unit, &conversation, &mut redirects, None, limit).await?;
    texts.truncate(limit);
    let (removed, last) = after_page(conversation, texts.len(), limit);
    texts.into_iter().map(Line::forgotten).try_for_each(|line| lines::update(unit, &line))?;
    last.iter().try_for_each(|conversation| conversations::save(unit, conversation))?;
    Ok(removed)
}
