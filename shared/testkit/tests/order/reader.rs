//! Reads back what a user would find.

use domain::{Line, Timestamp, Usage};
use flow::ports::{ConversationQuery, LibraryStore, LineQuery, Page};
use testkit::harness::at_once;
use testkit::memory;

use crate::case::Case;
use crate::driver::done;
use crate::reference::{Outcome, Talk};

/// Everything that a reader finds.
pub fn read(case: &Case, store: &memory::Store) -> Outcome {
    let mut talks = Vec::new();
    let all = ConversationQuery::all(&case.uid, Page::first(1000));
    for conversation in done(at_once(store.conversations(&all))) {
        let page = done(at_once(store.conversation(&LineQuery::of(&case.uid, conversation.id, Page::first(1000)))));
        let lines: Vec<Line> = page.map(|page| page.lines).unwrap_or_default();
        talks.push(Talk {
            start: conversation.started_at(),
            end: conversation.finished_at(),
            stream: conversation.stream.key(),
            title: conversation.opening.map(|opening| opening.title).unwrap_or_default(),
            lines: lines.iter().map(|line| (line.recording, line.start_ms, line.text())).collect(),
        });
    }
    talks.sort();
    let all_time = (Timestamp::from_millis(0), Timestamp::from_secs(1 << 40));
    let mut usage = Usage::default();
    for bucket in done(at_once(store.usage(&case.uid, all_time.0, all_time.1, 1000))) {
        usage += bucket.usage;
    }
    Outcome { talks, usage }
}
