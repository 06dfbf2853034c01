//! The suites that every store passes, and how this one deletes for their sake.

use async_trait::async_trait;
use domain::{Conversation, ConversationId, Line, Timestamp, Uid};
use rusqlite::Connection;
use testkit::contract::store::deletion::Deletes;

use super::fresh;
use crate::store::SqliteStore;
use crate::store::fault::Result;
use crate::store::redirects::Redirects;
use crate::store::table::{conversations, lines};

testkit::store_contract!(async || fresh());

testkit::store_deletion_contract!(async || fresh());

#[async_trait]
impl Deletes for SqliteStore {
    async fn delete_conversation(&self, uid: &Uid, id: ConversationId, now: Timestamp) -> bool {
        let uid = uid.clone();
        self.write("test.delete", id, move |db| delete(db, &uid, id, now)).await.unwrap()
    }
}

fn delete(db: &Connection, uid: &Uid, id: ConversationId, now: Timestamp) -> Result<bool> {
    let mut redirects = Redirects::of(db, uid);
    let Some(conversation) = redirects.follow(id)?.filter(Conversation::is_live) else { return Ok(false) };
    for line in all_lines(db, uid)? {
        if line.conversation_id.map(|at| redirects.end(at)).transpose()? == Some(conversation.id) {
            lines::update(db, &Line { utterances: Vec::new(), stub: true, ..line })?;
        }
    }
    conversations::save(db, &Conversation { deleted_at: Some(now), updated_at: now, ..conversation })?;
    Ok(true)
}

fn all_lines(db: &Connection, uid: &Uid) -> Result<Vec<Line>> {
    let mut statement = db.prepare("SELECT document FROM lines WHERE uid = ?1")?;
    let documents = statement.query_map([uid.as_str()], |row| row.get::<_, String>(0))?;
    documents.map(|document| Ok(serde_json::from_str(&document?).unwrap())).collect()
}
