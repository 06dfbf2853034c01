//! The expected outcome, computed in the simplest way: sort everything, connect what is close, count.

use std::collections::BTreeMap;

use domain::conversation::title_of;
use domain::{RecordingId, Timestamp, Usage};

use crate::case::{Case, Spoken, Take};

/// A conversation as a reader sees it, without its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Talk {
    pub start: Timestamp,
    pub end: Timestamp,
    pub stream: String,
    pub title: String,
    /// Recording, offset and text of each line, in order.
    pub lines: Vec<(RecordingId, u32, String)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub talks: Vec<Talk>,
    pub usage: Usage,
}

/// Two minutes, written here independently of the code under test.
const GAP_MS: i64 = 120_000;

struct Piece<'a> {
    start: Timestamp,
    end: Timestamp,
    take: &'a Take,
    spoken: &'a Spoken,
}

pub fn expected(case: &Case) -> Outcome {
    let mut groups: BTreeMap<String, Vec<Piece<'_>>> = BTreeMap::new();
    let mut usage = Usage::default();
    for (take, spoken) in case.takes.iter().flat_map(|take| take.spoken.iter().map(move |spoken| (take, spoken))) {
        if spoken.text.is_empty() {
            continue;
        }
        usage += Usage {
            transcribed_ms: u64::from(spoken.segment.speech_ms),
            words: spoken.text.split(' ').count() as u64,
            segments: 1,
        };
        let at = |ms: u32| Timestamp::from_millis(take.captured_at.millis() + i64::from(ms));
        let piece = Piece { start: at(spoken.segment.start_ms), end: at(spoken.segment.end_ms), take, spoken };
        let group = take.attached_to.map_or_else(|| take.file.stream.key(), |id| format!("attached {id}"));
        groups.entry(group).or_default().push(piece);
    }
    let mut talks = Vec::new();
    for (name, mut pieces) in groups {
        pieces.sort_by_key(|piece| (piece.start, piece.take.id, piece.spoken.segment.start_ms));
        let gap = if name.starts_with("attached") { i64::MAX } else { GAP_MS };
        talks.extend(connect(pieces, gap).iter().map(|pieces| talk(pieces)));
    }
    talks.sort();
    Outcome { talks, usage }
}

/// Splits the sorted pieces wherever nothing was said for as long as the gap.
fn connect(pieces: Vec<Piece<'_>>, gap_ms: i64) -> Vec<Vec<Piece<'_>>> {
    let mut found: Vec<Vec<Piece<'_>>> = Vec::new();
    let mut latest = i64::MIN;
    for piece in pieces {
        match found.last_mut() {
            Some(open) if piece.start.millis() - latest < gap_ms => open.push(piece),
            _ => found.push(vec![piece]),
        }
        latest = latest.max(found.last().and_then(|open| open.last()).map_or(latest, |piece| piece.end.millis()));
    }
    found
}

fn talk(pieces: &[Piece<'_>]) -> Talk {
    let line = |piece: &Piece<'_>| (piece.take.id, piece.spoken.segment.start_ms, piece.spoken.text.clone());
    let first = &pieces[0];
    Talk {
        start: first.start,
        end: pieces.iter().map(|piece| piece.end).max().unwrap_or(first.end),
        stream: first.take.file.stream.key(),
        title: title_of(&first.spoken.text),
        lines: pieces.iter().map(line).collect(),
    }
}

/// Whether two neighbours lie just too far apart to join.
pub fn splits_narrowly(outcome: &Outcome) -> bool {
    let narrow = |pair: &[Talk]| {
        let gap = pair[1].start.millis() - pair[0].end.millis();
        pair[0].stream == pair[1].stream && (GAP_MS..GAP_MS + 1000).contains(&gap)
    };
    outcome.talks.windows(2).any(narrow)
}
