//! What happened, as structured events: through `tracing`, and in a bounded ring for reports (R36). Events never hold audio,
//! text or tokens.

use std::collections::VecDeque;

use domain::{Blame, JobId, Timestamp};
use serde::Serialize;

use crate::chunk::ChunkId;
use crate::rules::cooldown::Reason;

/// What a status request led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum PollOutcome {
    Progress,
    NoProgress,
    Terminal,
    Lost,
    NotOurs,
    Unchanged,
    Retried,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[expect(missing_docs, reason = "the names of the fields say it")]
pub enum EventKind {
    /// The status of a job was asked for.
    ReconcilePoll {
        job_id: JobId,
        members: usize,
        outcome: PollOutcome,
        server_status: String,
        processed: u64,
        total: u64,
    },
    /// A recording goes back to `pending`, or is kept without being synced.
    ReconcileRevert {
        id: ChunkId,
        job_id: JobId,
        outcome: &'static str,
        server_code: String,
        blame: Option<Blame>,
        failed: usize,
        total: usize,
        retry_count: u32,
        retry_counted: bool,
    },
    UploadStarted {
        files: usize,
        bytes: u64,
        resumable: bool,
    },
    UploadFinished {
        files: usize,
        outcome: &'static str,
        http_status: u16,
        error: String,
    },
    Cooldown {
        reason: Reason,
        until: Timestamp,
    },
    StatusHttp {
        job_id: JobId,
        http_status: u16,
    },
    /// A journal was recovered after the process had ended.
    Recovered {
        id: ChunkId,
        frames: u64,
        torn_bytes: u64,
    },
    RecordingRefused {
        free_bytes: u64,
        reserve_bytes: u64,
    },
    /// The file of a recording could not be read.
    Unreadable {
        id: ChunkId,
        why: String,
    },
    FileDeleted {
        id: ChunkId,
    },
    /// The clock of the device was set.
    ClockMoved {
        by_ms: i64,
    },
    /// The index could not be read or written; what was to be done is tried again.
    IndexFailed {
        why: String,
    },
}

/// An event and its time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The newest events.
pub struct Ring {
    events: VecDeque<Event>,
    capacity: usize,
}

impl Ring {
    pub fn new(capacity: usize) -> Self {
        Self { events: VecDeque::new(), capacity }
    }

    pub fn push(&mut self, at: Timestamp, kind: EventKind) {
        match &kind {
            EventKind::RecordingRefused { .. } | EventKind::IndexFailed { .. } => {
                tracing::warn!(target: "afterword_engine", event = %json(&kind));
            }
            _ => tracing::debug!(target: "afterword_engine", event = %json(&kind)),
        }
        if self.capacity == 0 {
            return;
        }
        if self.events.len() >= self.capacity {
            self.events.pop_front();
        }
        self.events.push_back(Event { at, kind });
    }

    pub fn list(&self) -> Vec<Event> {
        self.events.iter().cloned().collect()
    }
}

fn json(kind: &EventKind) -> String {
    serde_json::to_string(kind).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r36_ring_keeps_the_newest_events_and_no_more() {
        let mut ring = Ring::new(3);
        let at = Timestamp::from_secs(1_800_000_000);
        for id in 0..5 {
            ring.push(at, EventKind::FileDeleted { id: ChunkId(id) });
        }
        let kept: Vec<_> = ring.list().into_iter().map(|event| serde_json::to_string(&event).unwrap()).collect();
        assert_eq!(kept.len(), 3);
        assert_eq!(kept[0], r#"{"at":"2027-01-15T08:00:00.000Z","event":"file_deleted","id":2}"#);
        let revert = EventKind::ReconcileRevert {
            id: ChunkId(1),
            job_id: "6f0c0000-0000-4000-8000-000000000000".parse().unwrap(),
            outcome: "pending",
            server_code: "transcription_failed".to_owned(),
            blame: Some(Blame::Service),
            failed: 1,
            total: 2,
            retry_count: 0,
            retry_counted: false,
        };
        let fields = "id job_id outcome server_code blame failed total retry_count retry_counted";
        let value = serde_json::to_value(&revert).unwrap();
        assert!(fields.split(' ').all(|field| value.get(field).is_some()), "{value}");
    }
}
