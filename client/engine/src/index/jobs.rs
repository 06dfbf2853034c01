//! The jobs that have chunks of this device, and what becomes of them.

use domain::{ConversationId, JobId, Timestamp, Uid};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::chunks::{collect, save};
use super::results::{self, StoredResult};
use super::row::{self, COLUMNS, number, optional, stored, uid};
use super::{Index, Result};
use crate::chunk::{Chunk, ChunkId, Transfer};

/// The most files of one job that are read at once: a job of this engine has at most five, and one that was answered for
/// recordings that were known has as many as its first sender chose.
const MAX_FILES: i64 = 1000;

/// A job that has chunks of this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    pub job_id: JobId,
    pub owner: Uid,
    /// The status requests since the last progress.
    pub step: u32,
    /// `None`: only after the credentials changed.
    pub next_poll_at: Option<Timestamp>,
    /// The next request asks the server to try again, not for the status.
    pub is_retry: bool,
    pub status: String,
    pub processed: u64,
    pub total: u64,
}

const JOB: &str = "job_id, owner, step, next_poll_at, is_retry, status, processed, total";

fn job(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let job_id = optional(row, 0)?.ok_or(rusqlite::Error::InvalidQuery)?;
    Ok(JobRow {
        job_id,
        owner: uid(row, 1)?,
        step: row.get(2)?,
        next_poll_at: row::time(row, 3)?,
        is_retry: row.get(4)?,
        status: row.get(5)?,
        processed: number(row, 6)?,
        total: number(row, 7)?,
    })
}

fn put(transaction: &Transaction<'_>, job: &JobRow) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO job VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    transaction.prepare_cached(sql)?.execute(params![
        job.job_id.to_string(),
        job.owner.as_str(),
        job.step,
        job.next_poll_at.map(Timestamp::millis),
        job.is_retry,
        job.status,
        stored(job.processed),
        stored(job.total)
    ])?;
    Ok(())
}

impl Index {
    /// A batch was accepted: its chunks and its job, in one transaction. A conversation to which they were stamped while they
    /// were on their way is one that the server does not know of: theirs is the one that was sent.
    pub fn accepted(
        &mut self,
        job: &JobRow,
        rows: &[(ChunkId, Transfer)],
        conversation: Option<ConversationId>,
    ) -> Result<()> {
        self.write(|transaction| {
            save(transaction, &job.owner, rows)?;
            let sql =
                "UPDATE chunk SET conversation_id = ?3 WHERE id = ?1 AND owner = ?2 AND conversation_id IS NOT ?3";
            let conversation = conversation.map(|id| id.to_string());
            for (id, _) in rows {
                transaction.prepare_cached(sql)?.execute(params![id.0, job.owner.as_str(), conversation])?;
            }
            put(transaction, job)
        })
    }

    pub fn put_job(&mut self, job: &JobRow) -> Result<()> {
        self.write(|transaction| put(transaction, job))
    }

    /// Jobs whose time has come, longest due first.
    pub fn due_jobs(&self, owner: &Uid, now: Timestamp, limit: usize) -> Result<Vec<JobRow>> {
        let sql = format!(
            "SELECT {JOB} FROM job WHERE owner = ?1 AND next_poll_at <= ?2 ORDER BY next_poll_at, job_id LIMIT ?3"
        );
        self.read(|c| {
            c.prepare_cached(&sql)?.query_map(params![owner.as_str(), now.millis(), limit as i64], job)?.collect()
        })
    }

    pub fn job(&self, id: JobId) -> Result<Option<JobRow>> {
        let sql = format!("SELECT {JOB} FROM job WHERE job_id = ?1");
        self.read(|c| c.prepare_cached(&sql)?.query_row([id.to_string()], job).optional())
    }

    /// When the next job is due.
    pub fn poll_due(&self, owner: &Uid) -> Result<Option<Timestamp>> {
        self.read(|c| {
            let sql = "SELECT min(next_poll_at) FROM job WHERE owner = ?1";
            c.prepare_cached(sql)?.query_row([owner.as_str()], |row| row::time(row, 0))
        })
    }

    /// Asks for jobs anew from the first step: for one, or for all that are not about to be retried.
    pub fn reset_polls(&mut self, owner: &Uid, only: Option<JobId>, now: Timestamp) -> Result<usize> {
        self.write(|transaction| {
            let only = only.map(|id| id.to_string());
            let sql = "UPDATE job SET step = 0, next_poll_at = ?3 WHERE owner = ?1 AND (?2 IS NULL OR job_id = ?2) \
                       AND NOT is_retry";
            transaction.execute(sql, params![owner.as_str(), only, now.millis()])
        })
    }

    /// The chunks that a job has.
    pub fn chunks_of(&self, owner: &Uid, job: JobId) -> Result<Vec<Chunk>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM chunk WHERE job_id = ?1 AND state = 'uploaded' AND owner = ?2 ORDER BY id LIMIT {MAX_FILES}"
        );
        self.read(|c| collect(c, &sql, params![job.to_string(), owner.as_str()]))
    }

    /// What became of a job: its chunks, its own row (`None` if it is over), and the result for the app, in one transaction.
    pub fn settle(
        &mut self,
        owner: &Uid,
        id: JobId,
        rows: &[(ChunkId, Transfer)],
        job: Option<&JobRow>,
        result: Option<&StoredResult>,
    ) -> Result<()> {
        self.write(|transaction| {
            save(transaction, owner, rows)?;
            match job {
                Some(job) => put(transaction, job)?,
                None => {
                    let sql = "DELETE FROM job WHERE job_id = ?1 AND owner = ?2";
                    transaction.execute(sql, params![id.to_string(), owner.as_str()])?;
                }
            }
            result.map_or(Ok(()), |result| results::put(transaction, owner, result))
        })
    }
}
