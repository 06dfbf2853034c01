//! `timelines`: one small document for each stream of a user. Every placement by time reads and writes
//! it, so that no placement misses another one, and so does every deletion, so that a job in progress
//! notices it.

use domain::{Timestamp, Uid};
use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::at;
use crate::firestore::path::Path;
use crate::firestore::unit_of_work::Unit;
use crate::firestore::value::{Fields, moment, moment_of, number, number_of};

pub const FIELDS: &[&str] = &["changes", "deleted_at"];

#[derive(Clone, Copy, Default)]
pub struct Timeline {
    /// Grows with each write, because a write without a change would not conflict with others.
    changes: u64,
    /// When a conversation of the stream was last deleted.
    pub deleted_at: Option<Timestamp>,
}

/// Decodes a timeline. If it is damaged, the time of the last deletion is unknown, so it counts as just
/// now.
pub fn decode(document: Option<&Document>, now: Timestamp) -> Timeline {
    let Some(document) = document else { return Timeline::default() };
    let (changes, deleted_at) = (number_of(document, "changes"), moment_of(document, "deleted_at"));
    let is_whole = changes.is_some() && deleted_at.is_some() == document.fields.contains_key("deleted_at");
    if is_whole {
        return Timeline { changes: changes.unwrap_or_default(), deleted_at };
    }
    flow::document::report_unreadable("timelines", &at(document), &"its fields are not what was written");
    Timeline { changes: 0, deleted_at: Some(now) }
}

pub fn save(unit: &mut Unit<'_>, uid: &Uid, stream: &str, timeline: Timeline) {
    let fields = Fields::default()
        .with("changes", number(timeline.changes.saturating_add(1)))
        .with_some("deleted_at", timeline.deleted_at.map(moment));
    unit.put(&Path::timeline(uid, stream), fields);
}
