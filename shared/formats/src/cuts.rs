//! Where the text of a speaker is cut into cues: the way of cutting it all that costs a reader least.

use std::ops::Range;

use crate::lines::Room;
use crate::piece::{Ending, Piece};

/// A cue stays at most so long.
pub const LONGEST_MS: u64 = 7000;
/// A cue stays at least so long.
pub const SHORTEST_MS: u64 = 1000;

/// A pause after which a cue may end anywhere, and one that should not be inside a cue.
const PAUSE_MS: u64 = 300;
const LONG_PAUSE_MS: u64 = 700;
const SILENCE_MS: u64 = 1500;
/// Fewer columns look lost beside the full cues around them.
const FEW_COLUMNS: usize = 14;

/// Cuts pieces into cues that fit into two lines and seven seconds. A single piece may be longer than that.
pub fn cuts(pieces: &[Piece]) -> Vec<Range<usize>> {
    // The cheapest way to cut the pieces before each place, and where its last cue begins.
    let mut best: Vec<(u64, usize)> = vec![(u64::MAX, 0); pieces.len() + 1];
    best[0].0 = 0;
    for from in 0..pieces.len() {
        let before = best[from].0;
        if before == u64::MAX {
            continue;
        }
        let mut cue = Candidate::default();
        for to in from + 1..=pieces.len() {
            if !cue.take(&pieces[from..to]) {
                break;
            }
            // Nobody reads a name alone.
            if pieces[to - 1].is_name() && to < pieces.len() {
                continue;
            }
            let cost = before + cue.cost(&pieces[from..to], pieces.get(to), from == 0);
            if cost < best[to].0 {
                best[to] = (cost, from);
            }
        }
    }
    let (mut cuts, mut to) = (Vec::new(), pieces.len());
    while to > 0 {
        cuts.push(best[to].1..to);
        to = best[to].1;
    }
    cuts.reverse();
    cuts
}

/// A cue that grows piece by piece.
#[derive(Default)]
struct Candidate {
    room: Room,
    columns: usize,
    inner_cost: u64,
    texts: usize,
}

impl Candidate {
    /// Adds the last of the pieces; false if it does not fit.
    fn take(&mut self, pieces: &[Piece]) -> bool {
        let [earlier @ .., piece] = pieces else { return false };
        if let Some(before) = earlier.last() {
            let pause = piece.start.saturating_sub(before.end);
            self.inner_cost += if pause >= SILENCE_MS { 1000 } else { 0 };
            self.inner_cost += if before.ending() == Ending::Sentence { 15 } else { 0 };
        }
        self.columns += piece.columns_with_gap();
        self.texts += usize::from(!piece.is_name());
        self.room.take(piece) && (self.texts <= 1 || piece.end.saturating_sub(pieces[0].start) <= LONGEST_MS)
    }

    fn cost(&self, pieces: &[Piece], next: Option<&Piece>, is_first: bool) -> u64 {
        let (first, last) = (&pieces[0], &pieces[pieces.len() - 1]);
        let length = last.end.saturating_sub(first.start);
        let is_whole = is_first && next.is_none();
        let too_short = SHORTEST_MS.saturating_sub(length) / 10;
        let too_little = if self.columns < FEW_COLUMNS { 60 } else { 0 };
        let size = if is_whole { 0 } else { too_short + too_little };
        100 + self.inner_cost + size + next.map_or(0, |next| cost_of_end(last, next))
    }
}

fn cost_of_end(last: &Piece, next: &Piece) -> u64 {
    let by_text = match last.ending() {
        Ending::Sentence => 0,
        Ending::Clause => 40,
        Ending::Nothing => 120,
    };
    match next.start.saturating_sub(last.end) {
        LONG_PAUSE_MS.. => by_text.min(20),
        PAUSE_MS.. => by_text.min(60),
        _ => by_text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::piece::line;
    use crate::testing::{pieces, timed};

    fn cut(pieces: &[Piece]) -> Vec<String> {
        cuts(pieces).into_iter().map(|range| line(&pieces[range])).collect()
    }

    #[test]
    fn cues_end_with_sentences_and_clauses() {
        let text = "The server answers only after the audio is durable. The job survives crashes, lost answers and \
                    full disks, and it is never run twice.";
        assert_eq!(
            cut(&pieces(text)),
            [
                "The server answers only after the audio is durable.",
                "The job survives crashes, lost answers and full disks, and it is never run twice."
            ]
        );
    }

    #[test]
    fn a_long_silence_is_never_inside_a_cue() {
        let words = [(0, 400, "well"), (500, 900, "then"), (3000, 3300, "goodbye"), (3400, 3800, "now")];
        assert_eq!(cut(&timed(&words)), ["well then", "goodbye now"]);
    }

    #[test]
    fn cue_is_at_most_seven_seconds_long() {
        let words: Vec<_> = (0..30_u64).map(|n| (n * 1000, n * 1000 + 900, "um")).collect();
        let pieces = timed(&words);
        for range in cuts(&pieces) {
            assert!(pieces[range.end - 1].end - pieces[range.start].start <= LONGEST_MS, "{range:?}");
        }
        assert_eq!(cuts(&timed(&[(0, 60_000, "slow"), (60_000, 61_000, "word")])).len(), 2);
    }

    #[test]
    fn every_piece_is_in_one_cue() {
        let pieces = pieces(&"word, and another. ".repeat(200));
        let cuts = cuts(&pieces);
        assert!(cuts.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!((cuts[0].start, cuts[cuts.len() - 1].end), (0, pieces.len()));
        assert!(super::cuts(&[]).is_empty());
    }
}
