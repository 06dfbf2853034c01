//! Finished jobs until the app acknowledges them (R39), remembered for 30 days after that (R11).

use std::time::Duration;

use domain::{JobId, Timestamp, Uid};
use rusqlite::{Transaction, params};

use super::row::optional;
use super::{Index, Result};
use crate::mistakes::{self, Mistake};

/// How long a handled job is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// The result of a job, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResult {
    pub job_id: JobId,
    pub completed_at: Timestamp,
    pub body: String,
}

/// Stores a result, unless the same end of the same job is known.
pub fn put(transaction: &Transaction<'_>, owner: &Uid, result: &StoredResult) -> rusqlite::Result<()> {
    let sql = if mistakes::is_planted(Mistake::JobHandledTwice) {
        "INSERT OR REPLACE INTO result VALUES (?1, ?2, ?3, ?4, NULL)"
    } else {
        "INSERT INTO result VALUES (?1, ?2, ?3, ?4, NULL) ON CONFLICT DO NOTHING"
    };
    let values = params![owner.as_str(), result.job_id.to_string(), result.completed_at.millis(), result.body];
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}

impl Index {
    /// Results that the app has not acknowledged, oldest first.
    pub fn open_results(&self, owner: &Uid, limit: usize) -> Result<Vec<StoredResult>> {
        let sql = "SELECT job_id, completed_at, body FROM result WHERE owner = ?1 AND handled_at IS NULL \
                   ORDER BY completed_at, job_id LIMIT ?2";
        self.read(|c| {
            let mut statement = c.prepare_cached(sql)?;
            let rows = statement.query_map(params![owner.as_str(), limit as i64], |row| {
                Ok(StoredResult {
                    job_id: optional(row, 0)?.ok_or(rusqlite::Error::InvalidQuery)?,
                    completed_at: Timestamp::from_millis(row.get(1)?),
                    body: row.get(2)?,
                })
            })?;
            rows.collect()
        })
    }

    /// The app has handled the end of a job.
    pub fn acknowledge(&mut self, owner: &Uid, job: JobId, completed_at: Timestamp, now: Timestamp) -> Result<bool> {
        self.write(|transaction| {
            let sql = "UPDATE result SET handled_at = ?4, body = '' WHERE owner = ?1 AND job_id = ?2 AND completed_at = ?3 \
                       AND handled_at IS NULL";
            let values = params![owner.as_str(), job.to_string(), completed_at.millis(), now.millis()];
            Ok(transaction.execute(sql, values)? > 0)
        })
    }

    /// Whether the app has acknowledged this end of a job.
    pub fn is_handled(&self, owner: &Uid, job: JobId, completed_at: Timestamp) -> Result<bool> {
        self.read(|c| {
            let sql =
                "SELECT 1 FROM result WHERE owner = ?1 AND job_id = ?2 AND completed_at = ?3 AND handled_at NOT NULL";
            c.prepare_cached(sql)?.exists(params![owner.as_str(), job.to_string(), completed_at.millis()])
        })
    }

    /// Forgets what was handled long ago.
    pub fn forget_handled(&mut self, now: Timestamp) -> Result<usize> {
        self.write(|transaction| {
            let sql = "DELETE FROM result WHERE handled_at IS NOT NULL AND handled_at <= ?1";
            transaction.execute(sql, [(now - REMEMBERED).millis()])
        })
    }
}
