//! `timelines`: one small document for a user's stream. Every placement by time reads and writes it, so that none is
//! missed by another, and every deletion, so that a job in flight notices.

use domain::{Timestamp, Uid};
use firestore::gcloud_sdk::google::firestore::v1::Document;

use crate::store::path::Path;
use crate::store::unit::Unit;
use crate::store::value::{Fields, moment, moment_of, number, number_of};

pub const FIELDS: &[&str] = &["changes", "deleted_at"];

#[derive(Clone, Copy, Default)]
pub struct Timeline {
    /// Grows with each write: a write that changes nothing would stand in nobody's way.
    changes: u64,
    /// When a conversation of it was deleted last.
    pub deleted_at: Option<Timestamp>,
}

pub fn decode(document: Option<&Document>) -> Timeline {
    let Some(document) = document else { return Timeline::default() };
    Timeline {
        changes: number_of(document, "changes").unwrap_or_default(),
        deleted_at: moment_of(document, "deleted_at"),
    }
}

pub fn save(unit: &mut Unit<'_>, uid: &Uid, stream: &str, timeline: Timeline) {
    let fields = Fields::default()
        .with("changes", number(timeline.changes.saturating_add(1)))
        .with_some("deleted_at", timeline.deleted_at.map(moment));
    unit.put(&Path::timeline(uid, stream), fields);
}
