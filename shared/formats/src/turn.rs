//! What one speaker says without a pause, in one segment or in several.

use crate::clean::{clean, joint, name};
use crate::conversation::Segment;
use crate::lines::MAX_COLUMNS;
use crate::piece::{Ending, Kind, Piece};
use crate::timeline::Timeline;
use crate::units::{Unit, units, width};

/// Segments of one speaker that are closer together are cut into cues as one text.
const JOINED_WITHIN_MS: u64 = 300;
/// A turn is cut into cues at the latest when it is so long, so that nobody holds the text of a day.
const LONGEST_MS: u64 = 60_000;
const MOST_PIECES: usize = 500;

/// A stretch of text that is cut into cues as a whole.
#[derive(Debug)]
pub struct Turn {
    pub speaker: Option<String>,
    /// It is never empty.
    pub pieces: Vec<Piece>,
    pub start: u64,
    end: u64,
}

impl Turn {
    /// The turn of one segment, whose times are moved by `offset`; `None` if the segment has no text.
    pub fn of(segment: &Segment, offset: u64) -> Option<Self> {
        let text = clean(&segment.text);
        let (start, end) = segment.span();
        let timeline = Timeline::new(&text, (start, end), segment.words.as_deref().unwrap_or_default());
        let mut position = 0;
        let piece = |unit: Unit<'_>| {
            let from = position;
            position += unit.text.chars().filter(|c| !c.is_whitespace()).count();
            let start = timeline.start_at(from);
            Piece {
                gap: unit.gap.into(),
                text: unit.text.into(),
                columns: width(unit.text),
                start: offset + start,
                end: offset + timeline.end_at(position).max(start),
                kind: Kind::Text(Ending::of(unit.text)),
            }
        };
        let pieces: Vec<_> = units(&text, MAX_COLUMNS).into_iter().map(piece).collect();
        let speaker = name(segment.speaker.as_deref());
        let start = pieces.first()?.start;
        Some(Self { speaker, pieces, start, end: offset + end })
    }

    /// Adds what comes next, or gives it back if it is another turn.
    pub fn join(&mut self, next: Self) -> Option<Self> {
        let is_close = next.start >= self.end && next.start - self.end <= JOINED_WITHIN_MS;
        let is_short =
            next.end.saturating_sub(self.start) <= LONGEST_MS && self.pieces.len() + next.pieces.len() <= MOST_PIECES;
        if self.speaker != next.speaker || !is_close || !is_short {
            return Some(next);
        }
        self.end = next.end;
        append(&mut self.pieces, next.pieces);
        None
    }
}

/// Joins the pieces of two segments. An engine ends a segment where a speaker draws breath: a cue may end there too.
pub fn append(pieces: &mut Vec<Piece>, mut more: Vec<Piece>) {
    if let (Some(last), Some(first)) = (pieces.last_mut(), more.first_mut()) {
        first.gap = joint(&last.text, &first.text).to_owned();
        if last.kind == Kind::Text(Ending::Nothing) {
            last.kind = Kind::Text(Ending::Clause);
        }
    }
    pieces.append(&mut more);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::line;

    fn turn(start_ms: i64, end_ms: i64, speaker: &str, text: &str) -> Turn {
        let speaker = Some(speaker.to_owned());
        Turn::of(&Segment { start_ms, end_ms, speaker, text: text.into(), ..Segment::default() }, 0).unwrap()
    }

    #[test]
    fn close_segments_of_one_speaker_are_one_turn() {
        let mut first = turn(0, 1000, "A", "I say");
        assert!(first.join(turn(1200, 2000, "A", "this.")).is_none());
        assert_eq!(line(&first.pieces), "I say this.");
        assert!(first.join(turn(2000, 3000, "B", "No.")).is_some(), "another speaker");
        assert!(first.join(turn(2500, 3000, "A", "No.")).is_some(), "after a pause");
        assert!(first.join(turn(1500, 3000, "A", "No.")).is_some(), "at the same time");
        assert!(first.join(turn(2000, 62_000, "A", "No.")).is_some(), "too long");
    }

    #[test]
    fn segment_without_text_is_no_turn() {
        assert!(Turn::of(&Segment { end_ms: 5, text: " \u{0}\u{200b}".into(), ..Segment::default() }, 0).is_none());
    }
}
