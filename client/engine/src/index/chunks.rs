//! Rows of chunks: created, finished, stamped, changed by an outcome, and deleted.

use domain::{ConversationId, Sha256Hex, Timestamp, Uid};
use rusqlite::{Connection, OptionalExtension, Transaction, named_params, params};

use super::row::{self, COLUMNS, blame_name, place_columns, stored};
use super::{Index, Result};
use crate::chunk::{Chunk, ChunkId, Place, State, Transfer};
use crate::mistakes::{self, Mistake};

/// What is known of a chunk once its bytes are durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    pub frames: u64,
    pub synced_prefix: u64,
    pub duration_ms: u64,
    pub bytes: u64,
    pub sha256: Sha256Hex,
    pub crc32c: u32,
}

impl Index {
    /// Adds a row; the id in `chunk` is ignored.
    pub fn insert(&mut self, chunk: &Chunk) -> Result<ChunkId> {
        self.write(|transaction| insert(transaction, chunk))
    }

    /// Adds rows, all or none.
    pub fn insert_all(&mut self, chunks: &[Chunk]) -> Result<()> {
        self.write(|transaction| chunks.iter().try_for_each(|chunk| insert(transaction, chunk).map(drop)))
    }

    pub fn chunk(&self, id: ChunkId) -> Result<Option<Chunk>> {
        let sql = format!("SELECT {COLUMNS} FROM chunk WHERE id = ?1");
        self.read(|c| c.prepare_cached(&sql)?.query_row([id.0], row::chunk).optional())
    }

    pub fn has_name(&self, owner: &Uid, name: &str) -> Result<bool> {
        self.read(|c| {
            let mut statement = c.prepare_cached("SELECT 1 FROM chunk WHERE owner = ?1 AND name = ?2")?;
            statement.exists(params![owner.as_str(), name])
        })
    }

    /// The chunk of a file that the engine was given before: the same name and the same bytes.
    pub fn known_file(&self, owner: &Uid, name: &str, sha256: Sha256Hex) -> Result<Option<Chunk>> {
        let sql = format!("SELECT {COLUMNS} FROM chunk WHERE owner = ?1 AND name = ?2 AND sha256 = ?3 LIMIT 1");
        let values = params![owner.as_str(), name, sha256.to_string()];
        self.read(|c| c.prepare_cached(&sql)?.query_row(values, row::chunk).optional())
    }

    /// A file of the user is at another place now.
    pub fn moved(&mut self, id: ChunkId, path: &str) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE chunk SET path = ?2 WHERE id = ?1 AND place = 'foreign'";
            transaction.execute(sql, params![id.0, path]).map(drop)
        })
    }

    /// The user wants chunks to be tried again: one, or all that are not on their way and not synced. Count and time begin
    /// anew (R23).
    pub fn reset(&mut self, owner: &Uid, only: Option<ChunkId>) -> Result<usize> {
        self.write(|transaction| {
            let which = match only {
                Some(_) => {
                    "id = ?2 AND state IN ('pending', 'missing', 'too_old', 'rejected', 'unreadable', 'held', 'kept')"
                }
                None => "?2 IS NULL AND state IN ('pending', 'missing', 'too_old', 'rejected', 'unreadable', 'held')",
            };
            let sql = format!(
                "UPDATE chunk SET state = 'pending', retry_count = 0, service_retries = 0, attempts = 0, \
                 next_attempt_at = NULL, batch_limit = NULL, was_missing = 0, confirmed_at = NULL, job_id = NULL \
                 WHERE owner = ?1 AND place != 'deleted' AND {which}"
            );
            transaction.execute(&sql, params![owner.as_str(), only.map(|id| id.0)])
        })
    }

    /// Chunks whose recording was cut off.
    pub fn unfinished(&self, limit: usize) -> Result<Vec<Chunk>> {
        let sql = format!("SELECT {COLUMNS} FROM chunk WHERE state = 'recording' ORDER BY id LIMIT ?1");
        self.read(|c| collect(c, &sql, params![limit as i64]))
    }

    /// The chunk is durable: it waits to be uploaded from now on.
    pub fn finish(&mut self, id: ChunkId, finished: &Finished) -> Result<()> {
        self.write(|transaction| {
            let mut statement = transaction.prepare_cached(
                "UPDATE chunk SET state = 'pending', frames = ?2, synced_prefix = ?3, duration_ms = ?4, bytes = ?5, \
                 sha256 = ?6, crc32c = ?7 WHERE id = ?1 AND state = 'recording'",
            )?;
            let Finished { frames, synced_prefix, duration_ms, bytes, sha256, crc32c } = finished;
            statement.execute(params![
                id.0,
                stored(*frames),
                stored(*synced_prefix),
                stored(*duration_ms),
                stored(*bytes),
                sha256.to_string(),
                crc32c
            ])?;
            Ok(())
        })
    }

    /// The user's file has other bytes now: it is uploaded as what it is.
    pub fn rehashed(&mut self, id: ChunkId, bytes: u64, sha256: Sha256Hex, crc32c: u32) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE chunk SET bytes = ?2, sha256 = ?3, crc32c = ?4 WHERE id = ?1 AND state = 'pending'";
            transaction.execute(sql, params![id.0, stored(bytes), sha256.to_string(), crc32c])?;
            Ok(())
        })
    }

    /// Forgets a chunk that is not kept.
    pub fn discard(&mut self, id: ChunkId) -> Result<()> {
        self.write(|transaction| transaction.execute("DELETE FROM chunk WHERE id = ?1", [id.0]).map(drop))
    }

    /// Marks the session's chunks that have no conversation (R13). How many there were.
    pub fn stamp(&mut self, owner: &Uid, session: &str, conversation: ConversationId) -> Result<usize> {
        let only_unstamped =
            if mistakes::is_planted(Mistake::StampedAgain) { "" } else { "AND conversation_id IS NULL" };
        self.write(|transaction| {
            let sql = format!(
                "UPDATE chunk SET conversation_id = ?3 WHERE owner = ?1 AND session = ?2 \
                 AND state IN ('recording', 'pending') {only_unstamped}"
            );
            transaction.execute(&sql, params![owner.as_str(), session, conversation.to_string()])
        })
    }

    /// Writes what became of chunks. A row of another owner is never touched.
    pub fn save(&mut self, owner: &Uid, rows: &[(ChunkId, Transfer)]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.write(|transaction| save(transaction, owner, rows))
    }

    /// Synced files of the engine's own folder, oldest confirmation first.
    pub fn deletable(&self, synced_before: Timestamp, limit: usize) -> Result<Vec<Chunk>> {
        let states = if mistakes::is_planted(Mistake::DeletedBeforeSynced) {
            "state IN ('synced', 'uploaded') AND COALESCE(confirmed_at, uploaded_at)"
        } else {
            "state = 'synced' AND confirmed_at"
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM chunk WHERE place = 'own' AND {states} <= ?1 ORDER BY confirmed_at, id LIMIT ?2"
        );
        self.read(|c| collect(c, &sql, params![synced_before.millis(), limit as i64]))
    }

    /// The files of synced chunks are gone; their rows stay, so that the names are not used again.
    pub fn files_deleted(&mut self, ids: &[ChunkId]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            let sql = "UPDATE chunk SET place = 'deleted', path = '' WHERE id = ?1";
            let mut statement = transaction.prepare_cached(sql)?;
            ids.iter().try_for_each(|id| statement.execute([id.0]).map(drop))
        })
    }

    /// A page of an owner's chunks, newest first, before this place in the list.
    pub fn list(
        &self,
        owner: &Uid,
        state: Option<State>,
        before: Option<(Timestamp, ChunkId)>,
        limit: usize,
    ) -> Result<Vec<Chunk>> {
        let (at, id) = before.map_or((i64::MAX, i64::MAX), |(at, id)| (at.millis(), id.0));
        let of_state = state.map_or(String::new(), |state| format!("AND state = '{state}'"));
        let sql = format!(
            "SELECT {COLUMNS} FROM chunk WHERE owner = ?1 {of_state} AND (captured_at, id) < (?2, ?3) \
             ORDER BY captured_at DESC, id DESC LIMIT ?4"
        );
        self.read(|c| collect(c, &sql, params![owner.as_str(), at, id, limit as i64]))
    }
}

pub fn collect(c: &Connection, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<Vec<Chunk>> {
    c.prepare_cached(sql)?.query_map(values, row::chunk)?.collect()
}

pub fn save(transaction: &Transaction<'_>, owner: &Uid, rows: &[(ChunkId, Transfer)]) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "UPDATE chunk SET state = :state, retry_count = :retry_count, service_retries = :service_retries, \
         attempts = :attempts, next_attempt_at = :next, error_code = :code, error_blame = :blame, error_detail = :detail, \
         job_id = :job, uploaded_at = :uploaded, confirmed_at = :confirmed, batch_limit = :limit, \
         was_missing = :missing, resumable = :resumable WHERE id = :id AND owner = :owner",
    )?;
    for (id, row) in rows {
        let error = row.last_error.as_ref();
        statement.execute(named_params! {
            ":id": id.0, ":owner": owner.as_str(), ":state": row.state.as_str(), ":retry_count": row.retry_count,
            ":service_retries": row.service_retries, ":attempts": row.attempts,
            ":next": row.next_attempt_at.map(Timestamp::millis), ":code": error.map(|e| &e.code),
            ":blame": error.and_then(|e| e.blame).map(blame_name), ":detail": error.map(|e| &e.detail),
            ":job": row.job_id.map(|id| id.to_string()), ":uploaded": row.uploaded_at.map(Timestamp::millis),
            ":confirmed": row.confirmed_at.map(Timestamp::millis), ":limit": row.batch_limit,
            ":missing": row.was_missing, ":resumable": row.resumable,
        })?;
    }
    Ok(())
}

fn insert(transaction: &Transaction<'_>, chunk: &Chunk) -> rusqlite::Result<ChunkId> {
    let (place, path) = place_columns(&chunk.place);
    debug_assert!(chunk.place != Place::Deleted, "a new chunk has a file");
    let format = chunk.format;
    transaction
        .prepare_cached(
            "INSERT INTO chunk (owner, name, place, path, captured_at, sends_captured_at, codec, rate, channels, \
             frame_samples, duration_ms, frames, synced_prefix, device, session, conversation_id, bytes, sha256, crc32c, \
             state, retry_count, service_retries, attempts, was_missing, resumable) VALUES (:owner, :name, :place, :path, \
             :captured_at, :sends, :codec, :rate, :channels, :samples, :duration, :frames, :prefix, :device, :session, \
             :conversation, :bytes, :sha256, :crc32c, :state, 0, 0, 0, 0, 0)",
        )?
        .execute(named_params! {
            ":owner": chunk.owner.as_str(), ":name": chunk.name, ":place": place, ":path": path,
            ":captured_at": chunk.captured_at.millis(), ":sends": chunk.sends_captured_at,
            ":codec": format.map(|f| f.codec.as_str()), ":rate": format.map(|f| f.rate),
            ":channels": format.map(|f| f.channels), ":samples": format.map(|f| f.frame_samples),
            ":duration": stored(chunk.duration_ms), ":frames": stored(chunk.frames), ":prefix": stored(chunk.synced_prefix),
            ":device": chunk.device, ":session": chunk.session,
            ":conversation": chunk.conversation_id.map(|id| id.to_string()), ":bytes": stored(chunk.bytes),
            ":sha256": chunk.sha256.map(|sha| sha.to_string()), ":crc32c": chunk.crc32c,
            ":state": chunk.transfer.state.as_str(),
        })?;
    let id = ChunkId(transaction.last_insert_rowid());
    if chunk.transfer != (Transfer { state: chunk.transfer.state, ..Transfer::pending() }) {
        save(transaction, &chunk.owner, &[(id, chunk.transfer.clone())])?;
    }
    Ok(id)
}
