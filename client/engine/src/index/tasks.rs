//! Push tokens that are to be registered or removed (R40).

use std::str::FromStr;

use domain::{Timestamp, Uid};
use rusqlite::{Row, params};

use super::row::{optional, time, uid};
use super::{Index, Result};

/// What is to be done with a push token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushKind {
    /// The server is to be told.
    Register,
    /// The server knows it.
    Registered,
    /// The account was signed out: the server is to forget it.
    Remove,
}

impl PushKind {
    const ALL: [PushKind; 3] = [PushKind::Register, PushKind::Registered, PushKind::Remove];

    const fn as_str(self) -> &'static str {
        match self {
            PushKind::Register => "register",
            PushKind::Registered => "registered",
            PushKind::Remove => "remove",
        }
    }
}

impl FromStr for PushKind {
    type Err = ();
    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        PushKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// A push token of an account on this device.
#[derive(Clone, PartialEq, Eq)]
pub struct PushTask {
    pub owner: Uid,
    pub device_id: String,
    pub token: String,
    pub platform: String,
    pub kind: PushKind,
    pub attempts: u32,
    pub next_attempt_at: Option<Timestamp>,
}

fn task(row: &Row<'_>) -> rusqlite::Result<PushTask> {
    Ok(PushTask {
        owner: uid(row, 0)?,
        device_id: row.get(1)?,
        token: row.get(2)?,
        platform: row.get(3)?,
        kind: optional(row, 4)?.ok_or(rusqlite::Error::InvalidQuery)?,
        attempts: row.get(5)?,
        next_attempt_at: time(row, 6)?,
    })
}

impl Index {
    pub fn push_tasks(&self, owner: &Uid) -> Result<Vec<PushTask>> {
        self.read(|c| {
            let sql = "SELECT owner, device_id, token, platform, kind, attempts, next_attempt_at FROM push_task \
                       WHERE owner = ?1";
            c.prepare_cached(sql)?.query_map([owner.as_str()], task)?.collect()
        })
    }

    pub fn put_push_task(&mut self, task: &PushTask) -> Result<()> {
        self.write(|transaction| {
            let values = params![
                task.owner.as_str(),
                task.device_id,
                task.token,
                task.platform,
                task.kind.as_str(),
                task.attempts,
                task.next_attempt_at.map(Timestamp::millis)
            ];
            transaction
                .execute("INSERT OR REPLACE INTO push_task VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", values)
                .map(drop)
        })
    }

    pub fn drop_push_task(&mut self, owner: &Uid, device_id: &str) -> Result<()> {
        self.write(|transaction| {
            let sql = "DELETE FROM push_task WHERE owner = ?1 AND device_id = ?2";
            transaction.execute(sql, params![owner.as_str(), device_id]).map(drop)
        })
    }

    /// The account is signed out: its tokens are to be removed from the server.
    pub fn remove_push_tokens(&mut self, owner: &Uid) -> Result<()> {
        self.write(|transaction| {
            let sql = "UPDATE push_task SET kind = 'remove', attempts = 0, next_attempt_at = NULL WHERE owner = ?1";
            transaction.execute(sql, [owner.as_str()]).map(drop)
        })
    }
}
