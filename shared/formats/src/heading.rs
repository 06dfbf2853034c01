//! The line about a conversation that stands above its text: when it was, and what recorded it.

use crate::clean::clean;
use crate::conversation::Head;
use crate::local_time::UtcOffset;

/// The title; `None` if there is none.
pub fn title(head: &Head) -> Option<String> {
    Some(clean(head.title.as_deref()?)).filter(|title| !title.is_empty())
}

/// Such as `2026-11-20 10:00 to 10:45 (UTC+02:00), phone`.
pub fn occasion(head: &Head, offset: UtcOffset) -> String {
    let start = offset.at(head.started_at.millis());
    let mut line = format!("{} {}", start.date(), start.minute());
    if let Some(end) = head.finished_at.filter(|end| *end > head.started_at) {
        let end = offset.at(end.millis());
        line += " to ";
        if end.date() != start.date() {
            line += &format!("{} ", end.date());
        }
        line += &end.minute();
    }
    line += &format!(" ({offset})");
    let source = clean(&head.source);
    if source.is_empty() { line } else { format!("{line}, {source}") }
}
