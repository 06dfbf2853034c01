//! `conversations`: each row has the document, and beside it the conversation's time and state.

use domain::{Conversation, ConversationId, Interval, Timestamp, Uid};
use flow::ports::{ConversationQuery, DueDeletion, Page};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::store::fault::{Fault, Result, listed, sound};
use crate::store::query::{all, from_document, one, position, queries, rows, run, sound_ones, to_document};

const TABLE: &str = "conversations";

queries! {
    LOAD = "SELECT document, id FROM conversations WHERE uid = ?1 AND id = ?2";
    IN_ORDER = "SELECT document, id FROM conversations WHERE uid = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    NEXT = "SELECT merged_into FROM conversations WHERE uid = ?1 AND id = ?2";
    SAVE = "INSERT INTO conversations
        (uid, id, state, stream, started_at, timed_start, timed_end, merged_into, document, due_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT DO UPDATE SET state = excluded.state, stream = excluded.stream, started_at = excluded.started_at,
        timed_start = excluded.timed_start, timed_end = excluded.timed_end, merged_into = excluded.merged_into,
        document = excluded.document, due_at = excluded.due_at";
    LIST = "SELECT document, id FROM conversations
        WHERE state = 'live' AND uid = ?1 AND (started_at, id) > (?2, ?3) AND started_at < ?4
        ORDER BY started_at, id";
    BACKWARDS = "SELECT document, id, timed_end FROM conversations
        WHERE state = 'live' AND uid = ?1 AND stream = ?2 AND timed_start <= ?3 ORDER BY timed_start DESC";
    DUE = "SELECT due_at, uid, id FROM conversations
        WHERE due_at <= ?1 AND (due_at, uid, id) > (?2, ?3, ?4) ORDER BY due_at, uid, id";
}

/// Reads a row of `document, id`.
pub fn read(row: &Row) -> Result<Conversation> {
    let id = ConversationId(Uuid::from_bytes(row.get(1)?));
    let conversation: Conversation = from_document(TABLE, row, 0, &id)?;
    if conversation.id == id {
        Ok(conversation)
    } else {
        Err(Fault::damaged(TABLE, id, "its document is of another conversation"))
    }
}

/// Loads a conversation; a damaged one counts as missing.
pub fn load(db: &Connection, uid: &Uid, id: ConversationId) -> Result<Option<Conversation>> {
    Ok(sound(load_as_stored(db, uid, id))?.flatten())
}

/// Loads a conversation; a damaged one is an error.
pub fn load_as_stored(db: &Connection, uid: &Uid, id: ConversationId) -> Result<Option<Conversation>> {
    one(db, LOAD, params![uid.as_str(), id.0.as_bytes()], read)
}

/// All conversations of the user after the cursor, ordered by id, including merged and deleted ones.
/// Damaged ones are returned as errors with their id.
pub fn in_order(
    db: &Connection,
    uid: &Uid,
    after: Option<ConversationId>,
    limit: usize,
) -> Result<Vec<(ConversationId, Result<Conversation>)>> {
    let after = after.map(|id| id.0.as_bytes().to_vec()).unwrap_or_default();
    all(db, IN_ORDER, params![uid.as_str(), after, rows(limit)], |row| {
        Ok((ConversationId(Uuid::from_bytes(row.get(1)?)), read(row)))
    })
}

/// The conversation that this one was merged into, if it exists and was merged.
pub fn merged_into(db: &Connection, uid: &Uid, id: ConversationId) -> Result<Option<ConversationId>> {
    let next = one(db, NEXT, params![uid.as_str(), id.0.as_bytes()], |row| Ok(row.get::<_, Option<[u8; 16]>>(0)?))?;
    Ok(next.flatten().map(|bytes| ConversationId(Uuid::from_bytes(bytes))))
}

pub fn save(db: &Connection, conversation: &Conversation) -> Result<()> {
    let timed = conversation.timed;
    run(
        db,
        SAVE,
        params![
            conversation.uid.as_str(),
            conversation.id.0.as_bytes(),
            conversation.state().as_str(),
            conversation.stream.key(),
            conversation.started_at().millis(),
            timed.map(|timed| timed.start.millis()),
            timed.map(|timed| timed.end.millis()),
            conversation.merged_into.map(|id| *id.0.as_bytes()),
            to_document(TABLE, conversation)?,
            conversation.due_at.map(Timestamp::millis),
        ],
    )?;
    Ok(())
}

/// A page of a user's live conversations.
pub fn list(db: &Connection, query: &ConversationQuery) -> Result<Vec<Conversation>> {
    let (started_at, id) = position(query.begin(), |(at, id)| (at, id.0));
    let to = query.to.map_or(i64::MAX, Timestamp::millis);
    sound_ones(db, LIST, params![query.uid.as_str(), started_at, id, to], query.page.limit, read)
}

/// Live conversations of the stream whose timed interval touches `reach`, latest first. They do not
/// overlap, so the search goes backwards and stops at the first one that ends before `reach` begins.
pub fn meeting(db: &Connection, uid: &Uid, stream: &str, reach: Interval) -> Result<Vec<Conversation>> {
    let mut statement = db.prepare_cached(BACKWARDS)?;
    let mut rows = statement.query(params![uid.as_str(), stream, reach.end.millis()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(2)? < reach.start.millis() {
            break;
        }
        found.extend(listed(read(row))?);
    }
    Ok(found)
}

/// Deleted conversations whose texts are to be removed by `now`, earliest due first.
pub fn due(db: &Connection, now: Timestamp, page: &Page<DueDeletion>) -> Result<Vec<DueDeletion>> {
    let after = page.after.as_ref();
    let (due_at, uid, id) =
        after.map_or((i64::MIN, "", [0; 16]), |at| (at.due_at.millis(), at.uid.as_str(), *at.id.0.as_bytes()));
    sound_ones(db, DUE, params![now.millis(), due_at, uid, id], page.limit, |row| {
        let (uid, id) = (row.get_ref(1)?.as_str()?, ConversationId(Uuid::from_bytes(row.get(2)?)));
        let uid = Uid::new(uid).map_err(|error| Fault::damaged(TABLE, id, error))?;
        Ok(DueDeletion { due_at: Timestamp::from_millis(row.get(0)?), uid, id })
    })
}
