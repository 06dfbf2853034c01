//! Sums over chunks, kept by the database itself.

use domain::{Timestamp, Uid};
use rusqlite::params;

use super::row::number;
use super::{Index, Result};
use crate::chunk::State;

/// What an account has in one state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub count: u64,
    pub duration_ms: u64,
    pub bytes: u64,
}

impl Index {
    /// The sums of each state.
    pub fn sums(&self, owner: &Uid) -> Result<Vec<(State, Sum)>> {
        self.read(|c| {
            let sql = "SELECT state, count, duration_ms, bytes FROM tally WHERE owner = ?1 AND count > 0";
            let mut statement = c.prepare_cached(sql)?;
            let mut rows = statement.query([owner.as_str()])?;
            let mut sums = Vec::new();
            while let Some(row) = rows.next()? {
                let state = row.get_ref(0)?.as_str()?.parse::<State>();
                if let Ok(state) = state {
                    sums.push((
                        state,
                        Sum { count: number(row, 1)?, duration_ms: number(row, 2)?, bytes: number(row, 3)? },
                    ));
                }
            }
            Ok(sums)
        })
    }

    /// When the oldest chunk begins that waits to be uploaded.
    pub fn oldest_pending(&self, owner: &Uid) -> Result<Option<Timestamp>> {
        self.read(|c| {
            let sql = "SELECT min(captured_at) FROM chunk WHERE owner = ?1 AND state = 'pending'";
            let oldest: Option<i64> = c.prepare_cached(sql)?.query_row(params![owner.as_str()], |row| row.get(0))?;
            Ok(oldest.map(Timestamp::from_millis))
        })
    }
}
