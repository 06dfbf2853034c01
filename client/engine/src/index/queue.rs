//! What is due: the next batch, and when there will be one.

use domain::{Timestamp, Uid};
use rusqlite::{OptionalExtension, params};

use super::chunks::collect;
use super::row::{self, COLUMNS, place_columns};
use super::{Index, Result};
use crate::chunk::{Chunk, Place};

/// A chunk that may be uploaded: its budget is not used up, its time has come (?2), and its session is not held (?3).
const READY: &str = "owner = ?1 AND state = 'pending' AND retry_count < 3 \
    AND (next_attempt_at IS NULL OR next_attempt_at <= ?2) \
    AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.owner = chunk.owner AND hold.session = chunk.session AND until > ?3)";

impl Index {
    /// The newest chunk that may be uploaded, and others with the same session and conversation, newest first. Only chunks
    /// that were due when the pass began are taken, so that a pass ends.
    pub fn next_batch(&self, owner: &Uid, pass_began: Timestamp, now: Timestamp, limit: usize) -> Result<Vec<Chunk>> {
        let newest = format!("SELECT {COLUMNS} FROM chunk WHERE {READY} ORDER BY captured_at DESC, id DESC LIMIT 1");
        let fellows = format!(
            "SELECT {COLUMNS} FROM chunk INDEXED BY chunk_session WHERE {READY} AND session = ?4 \
             AND state IN ('recording', 'pending') AND conversation_id IS ?5 ORDER BY captured_at DESC, id DESC LIMIT ?6"
        );
        self.read(|c| {
            let values = params![owner.as_str(), pass_began.millis(), now.millis()];
            let Some(head) = c.prepare_cached(&newest)?.query_row(values, row::chunk).optional()? else {
                return Ok(Vec::new());
            };
            let conversation = head.conversation_id.map(|id| id.to_string());
            let values =
                params![owner.as_str(), pass_began.millis(), now.millis(), head.session, conversation, limit as i64];
            collect(c, &fellows, values)
        })
    }

    /// When the next chunk may be uploaded; a time in the past if one may now.
    pub fn upload_due(&self, owner: &Uid, now: Timestamp) -> Result<Option<Timestamp>> {
        self.read(|c| {
            let mut statement = c.prepare_cached(
                "SELECT next_attempt_at FROM chunk INDEXED BY chunk_due WHERE owner = ?1 AND state = 'pending' \
                 AND retry_count < 3 AND NOT EXISTS (SELECT 1 FROM hold WHERE hold.owner = chunk.owner \
                 AND hold.session = chunk.session AND until > ?2) ORDER BY next_attempt_at LIMIT 1",
            )?;
            let due: Option<Option<i64>> =
                statement.query_row(params![owner.as_str(), now.millis()], |row| row.get(0)).optional()?;
            let mut statement = c.prepare_cached("SELECT min(until) FROM hold WHERE owner = ?1 AND until > ?2")?;
            let held: Option<i64> = statement.query_row(params![owner.as_str(), now.millis()], |row| row.get(0))?;
            let due = due.map(|due| due.unwrap_or(0));
            Ok(due.into_iter().chain(held).min().map(Timestamp::from_millis))
        })
    }

    /// Holds the upload of a session until a time. A session is held once: whether it is held now for the first time.
    pub fn hold(&mut self, owner: &Uid, session: &str, until: Timestamp) -> Result<bool> {
        self.write(|transaction| {
            let sql = "INSERT INTO hold VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
            Ok(transaction.execute(sql, params![owner.as_str(), session, until.millis()])? > 0)
        })
    }

    /// The session may be uploaded. It is not held again.
    pub fn release(&mut self, owner: &Uid, session: &str, now: Timestamp) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE hold SET until = ?3 WHERE owner = ?1 AND session = ?2 AND until > ?3";
            transaction.execute(sql, params![owner.as_str(), session, now.millis()]).map(drop)
        })
    }

    /// A folder cannot be read: what is pending in it waits until then. Nothing is counted, and no other row waits.
    pub fn delay_folder(&mut self, owner: &Uid, folder: &Place, until: Timestamp) -> Result<()> {
        let (place, prefix) = place_columns(folder);
        self.write(|transaction| {
            let sql = "UPDATE chunk SET next_attempt_at = ?4, error_code = 'local_read_failed', error_blame = NULL, \
                       error_detail = 'its folder cannot be read' WHERE owner = ?1 AND state = 'pending' AND place = ?2 \
                       AND substr(path, 1, length(?3)) = ?3 AND (next_attempt_at IS NULL OR next_attempt_at < ?4)";
            transaction.execute(sql, params![owner.as_str(), place, prefix, until.millis()]).map(drop)
        })
    }

    /// Files that could not be read are looked for again: the phone may be unlocked now.
    pub fn read_again(&mut self, owner: &Uid) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE chunk SET next_attempt_at = NULL WHERE owner = ?1 AND state = 'pending' \
                       AND next_attempt_at IS NOT NULL AND error_code = 'local_read_failed' AND retry_count < 3";
            transaction.execute(sql, [owner.as_str()]).map(drop)
        })
    }

    /// Gives a new budget to rows whose budget is used up and whose own content is not to blame (R23).
    pub fn rearm(&mut self, owner: &Uid) -> Result<usize> {
        self.write(|transaction| {
            let sql = "UPDATE chunk SET retry_count = 0, attempts = 0, next_attempt_at = NULL WHERE owner = ?1 \
                       AND state = 'pending' AND retry_count >= 3 AND error_blame IS NOT 'content'";
            transaction.execute(sql, [owner.as_str()])
        })
    }

    /// What is pending need not wait any longer, but for the times that the server named: the network is back.
    pub fn forget_delays(&mut self, owner: &Uid) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE chunk SET next_attempt_at = NULL WHERE owner = ?1 AND state = 'pending' AND retry_count < 3 \
                       AND service_retries = 0 AND losses = 0 AND retry_count = 0 AND next_attempt_at IS NOT NULL \
                       AND was_missing = 0 AND sha256 IS NOT NULL AND error_code IS NOT 'recording_in_future'";
            transaction.execute(sql, [owner.as_str()]).map(drop)
        })
    }

    /// Makes everything due that waits for a time which the clock, after it was set back, reaches far too late.
    pub fn correct_times(&mut self, now: Timestamp, furthest: Timestamp) -> Result<()> {
        self.write(|transaction| {
            let values = params![now.millis(), furthest.millis()];
            // A file that was not seen is looked for again after a moment, not in the very next pass.
            let sql = "UPDATE chunk SET next_attempt_at = ?1 + 5000 * was_missing WHERE state = 'pending' AND next_attempt_at > ?2";
            transaction.execute(sql, values)?;
            transaction.execute("UPDATE job SET next_poll_at = ?1 WHERE next_poll_at > ?2", values)?;
            transaction.execute("UPDATE hold SET until = ?1 WHERE until > ?2", values)?;
            transaction.execute("UPDATE push_task SET next_attempt_at = ?1 WHERE next_attempt_at > ?2", values)?;
            transaction.execute("UPDATE result SET handled_at = ?1 WHERE handled_at > ?2", values)?;
            let sql = "UPDATE chunk SET confirmed_at = ?1 WHERE state = 'synced' AND place = 'own' AND confirmed_at > ?2";
            transaction.execute(sql, values)?;
            Ok(())
        })
    }
}
