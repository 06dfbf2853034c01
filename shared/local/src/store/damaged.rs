//! Finds stored documents that cannot be read, and removes single ones on the operator's command.
//! Nothing else removes them, because a later version of the program may be able to read them.

use std::ops::RangeInclusive;

use domain::{ConversationId, RecordingId, SegmentId, Timestamp, Uid};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::SqliteStore;
use super::fault::{Fault, Result};
use super::table::{conversations, devices, jobs, levels, lines, peaks, recordings, usage};

/// The row ids in one read.
const PART: i64 = 5_000;

/// The tables of documents. Job ids are unique; all other ids are unique for each user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Jobs,
    Recordings,
    Peaks,
    Levels,
    Lines,
    Conversations,
    UsageHours,
    Devices,
}

impl Table {
    pub const ALL: [Self; 8] = [
        Self::Jobs,
        Self::Recordings,
        Self::Peaks,
        Self::Levels,
        Self::Lines,
        Self::Conversations,
        Self::UsageHours,
        Self::Devices,
    ];

    /// The table's name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jobs => "offline_sync_jobs",
            Self::Recordings => "recordings",
            Self::Peaks => "recording_peaks",
            Self::Levels => "recording_levels",
            Self::Lines => "lines",
            Self::Conversations => "conversations",
            Self::UsageHours => "usage_hours",
            Self::Devices => "devices",
        }
    }

    /// The columns that the check needs; the user comes last. Tables that grow for ever are read part by part, so that
    /// no read takes long.
    fn rows(self) -> &'static str {
        match self {
            Self::Jobs => "SELECT document, id, uid FROM offline_sync_jobs WHERE rowid BETWEEN ?1 AND ?2",
            Self::Recordings => "SELECT document, plan, id, uid FROM recordings WHERE rowid BETWEEN ?1 AND ?2",
            Self::Peaks => "SELECT peaks, recording, uid FROM recording_peaks WHERE rowid BETWEEN ?1 AND ?2",
            Self::Levels => "SELECT levels, recording, uid FROM recording_levels WHERE rowid BETWEEN ?1 AND ?2",
            // A line that was emptied because it could not be read has nothing left to lose.
            Self::Lines => {
                "SELECT document, recording, start_ms, uid FROM lines WHERE rowid BETWEEN ?1 AND ?2 AND document <> ''"
            }
            Self::Conversations => "SELECT document, id, uid FROM conversations WHERE rowid BETWEEN ?1 AND ?2",
            Self::UsageHours => "SELECT hour, transcribed_ms, words, segments, uid FROM usage_hours",
            Self::Devices => "SELECT document, id, uid FROM devices",
        }
    }

    /// The last row id. Tables without row ids are small and read as one part.
    fn last_row(self, db: &Connection) -> Result<i64> {
        if !self.rows().contains("rowid") {
            return Ok(1);
        }
        let last = format!("SELECT coalesce(max(rowid), 0) FROM {}", self.name());
        Ok(db.query_row(&last, [], |row| row.get(0))?)
    }

    /// The id of a row, and whether it can be read.
    fn look(self, row: &Row, uid: &str) -> Result<(String, Result<()>)> {
        Ok(match self {
            Self::Jobs => (Uuid::from_bytes(row.get(1)?).to_string(), jobs::read(row).map(drop)),
            Self::Recordings => {
                let id = RecordingId::from_bytes(row.get(2)?);
                let read = user(uid).and_then(|uid| recordings::check(row, &uid, id));
                (id.to_string(), read)
            }
            Self::Peaks => {
                let id = RecordingId::from_bytes(row.get(1)?);
                (id.to_string(), peaks::read(row, id).map(drop))
            }
            Self::Levels => {
                let id = RecordingId::from_bytes(row.get(1)?);
                (id.to_string(), levels::read(row, id).map(drop))
            }
            Self::Lines => {
                let segment = SegmentId { recording: RecordingId::from_bytes(row.get(1)?), start_ms: row.get(2)? };
                (segment.to_string(), lines::read(row, &segment).map(drop))
            }
            Self::Conversations => {
                (ConversationId(Uuid::from_bytes(row.get(1)?)).to_string(), conversations::read(row).map(drop))
            }
            Self::UsageHours => (Timestamp::from_millis(row.get(0)?).to_string(), usage::read(row).map(drop)),
            Self::Devices => (row.get(1)?, devices::read(row).map(drop)),
        })
    }
}

fn user(uid: &str) -> Result<Uid> {
    Uid::new(uid).map_err(|error| Fault::damaged("recordings", uid, error))
}

/// A document that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    pub table: Table,
    pub uid: String,
    pub id: String,
    pub why: String,
    /// Whether a later version wrote it, and can read it.
    pub newer: bool,
}

impl SqliteStore {
    /// Checks every document and returns the first `limit` that cannot be read.
    pub async fn damaged(&self, limit: usize) -> flow::Result<Vec<Damaged>> {
        let mut found = Vec::new();
        for table in Table::ALL {
            let last = self.read("store.damaged", "", move |db| table.last_row(db)).await?;
            for first in (1..=last).step_by(PART as usize) {
                let wanted = limit - found.len();
                if wanted == 0 {
                    return Ok(found);
                }
                let part = move |db: &Connection| look(db, table, first..=first + PART - 1, wanted);
                found.extend(self.read("store.damaged", "", part).await?);
            }
        }
        Ok(found)
    }

    /// Removes a damaged document and returns whether it was there. A document that this version or a later
    /// one can read is kept.
    pub async fn remove_damaged(&self, damaged: &Damaged) -> flow::Result<bool> {
        let (damaged, operation) = (damaged.clone(), "store.remove_damaged");
        self.write(operation, damaged.id.clone(), move |db| remove(db, &damaged)).await
    }
}

/// Looks at these rows.
fn look(db: &Connection, table: Table, part: RangeInclusive<i64>, limit: usize) -> Result<Vec<Damaged>> {
    let mut found = Vec::new();
    let mut statement = db.prepare(table.rows())?;
    let last = statement.column_count().saturating_sub(1);
    let mut rows = match statement.parameter_count() {
        0 => statement.query([])?,
        _ => statement.query([part.start(), part.end()])?,
    };
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let uid: String = row.get(last)?;
        let (id, fault) = match table.look(row, &uid) {
            Ok((_, Ok(()))) => continue,
            Ok((id, Err(fault))) => (id, fault),
            Err(fault) => ("(unreadable)".to_owned(), fault),
        };
        let newer = matches!(fault, Fault::Newer { .. });
        let why = match &fault {
            Fault::Damaged { why, .. } => why.to_string(),
            fault => fault.to_string(),
        };
        found.push(Damaged { table, uid, id, why, newer });
    }
    Ok(found)
}

/// The document is checked again, because it may have been repaired or rewritten since it was shown.
fn remove(db: &Connection, damaged: &Damaged) -> Result<bool> {
    let found = look(db, damaged.table, 1..=i64::MAX, usize::MAX)?;
    let is_it = |other: &Damaged| !other.newer && other.id == damaged.id && other.uid == damaged.uid;
    if !found.iter().any(is_it) {
        return Ok(false);
    }
    let (uid, id) = (damaged.uid.as_str(), damaged.id.as_str());
    let broken = |_| Fault::Invalid("this is no id of that table");
    match damaged.table {
        Table::Jobs => {
            let id: Uuid = id.parse().map_err(|_| Fault::Invalid("this is no id of a job"))?;
            db.execute("DELETE FROM offline_sync_jobs WHERE id = ?1", [id.as_bytes()])?;
        }
        Table::Recordings => {
            let id: RecordingId = id.parse().map_err(broken)?;
            db.execute("DELETE FROM recording_levels WHERE uid = ?1 AND recording = ?2", params![uid, id.bytes()])?;
            db.execute("DELETE FROM recording_peaks WHERE uid = ?1 AND recording = ?2", params![uid, id.bytes()])?;
            db.execute("DELETE FROM recordings WHERE uid = ?1 AND id = ?2", params![uid, id.bytes()])?;
        }
        Table::Peaks => {
            let id: RecordingId = id.parse().map_err(broken)?;
            db.execute("DELETE FROM recording_peaks WHERE uid = ?1 AND recording = ?2", params![uid, id.bytes()])?;
        }
        Table::Levels => {
            let id: RecordingId = id.parse().map_err(broken)?;
            db.execute("DELETE FROM recording_levels WHERE uid = ?1 AND recording = ?2", params![uid, id.bytes()])?;
        }
        Table::Lines => {
            let (recording, start_ms) = id.rsplit_once('-').ok_or(Fault::Invalid("this is no id of a line"))?;
            let recording: RecordingId = recording.parse().map_err(broken)?;
            let start_ms: u32 = start_ms.parse().map_err(|_| Fault::Invalid("this is no id of a line"))?;
            let sql = "DELETE FROM lines WHERE uid = ?1 AND recording = ?2 AND start_ms = ?3";
            db.execute(sql, params![uid, recording.bytes(), start_ms])?;
        }
        Table::Conversations => {
            let id: Uuid = id.parse().map_err(|_| Fault::Invalid("this is no id of a conversation"))?;
            db.execute("DELETE FROM conversations WHERE uid = ?1 AND id = ?2", params![uid, id.as_bytes()])?;
        }
        Table::UsageHours => {
            let hour: Timestamp = id.parse().map_err(|_| Fault::Invalid("this is no hour"))?;
            db.execute("DELETE FROM usage_hours WHERE uid = ?1 AND hour = ?2", params![uid, hour.millis()])?;
        }
        Table::Devices => {
            db.execute("DELETE FROM devices WHERE uid = ?1 AND id = ?2", [uid, id])?;
        }
    }
    Ok(true)
}
