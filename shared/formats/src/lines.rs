//! The lines of a cue: one or two, of at most 42 columns.

use crate::piece::{Ending, Piece, columns, line};

/// The columns of a line. It is what broadcasters ask for; 21 Chinese characters are as wide.
pub const MAX_COLUMNS: usize = 42;
const MAX_LINES: usize = 2;

/// Follows whether pieces that come one after another still fit into two lines.
#[derive(Debug, Default)]
pub struct Room {
    full_lines: usize,
    /// The columns that are taken of the line; `None` before the first piece. A piece can be without width.
    columns: Option<usize>,
}

impl Room {
    /// Whether the piece fits as well. The first piece of all always does.
    pub fn take(&mut self, piece: &Piece) -> bool {
        let alone = piece.columns;
        let wanted = self.columns.map_or(alone, |columns| columns + piece.columns_with_gap());
        let fits = wanted <= MAX_COLUMNS || self.columns.is_none();
        self.full_lines += usize::from(!fits);
        self.columns = Some(if fits { wanted } else { alone });
        self.full_lines < MAX_LINES
    }
}

pub fn fit_two_lines<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> bool {
    let mut room = Room::default();
    pieces.into_iter().all(|piece| room.take(piece))
}

pub fn fit_one_line(pieces: &[Piece]) -> bool {
    columns(pieces) <= MAX_COLUMNS
}

/// The lines of pieces that fit: one if they fit into it, else two of about the same length, where a clause ends if
/// possible.
pub fn lines(pieces: &[Piece]) -> Vec<String> {
    if fit_one_line(pieces) {
        return vec![line(pieces)];
    }
    let halves = |at: usize| pieces.split_at(at);
    let fits = |at: &usize| {
        let (upper, lower) = halves(*at);
        fit_one_line(upper) && fit_one_line(lower)
    };
    let cost = |at: &usize| {
        let (upper, lower) = halves(*at);
        let (upper, lower) = (columns(upper), columns(lower));
        let end = match pieces[at - 1].ending() {
            Ending::Sentence => 0,
            Ending::Clause => 4,
            Ending::Nothing => 14,
        };
        // A shorter upper line hides less of a picture.
        upper.abs_diff(lower) + end + if upper > lower { 2 } else { 0 }
    };
    let best = (1..pieces.len()).filter(fits).min_by_key(cost);
    let (upper, lower) = halves(best.unwrap_or(pieces.len()));
    [upper, lower].into_iter().filter(|half| !half.is_empty()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::pieces;

    #[test]
    fn short_text_is_one_line() {
        assert_eq!(
            lines(&pieces("Forty-two columns are just enough for this")),
            ["Forty-two columns are just enough for this"]
        );
    }

    #[test]
    fn long_text_is_two_balanced_lines_that_end_with_a_clause() {
        let text = "When the network is back again, the device uploads its files to us.";
        assert_eq!(lines(&pieces(text)), ["When the network is back again,", "the device uploads its files to us."]);
        let text = "one two three four five six seven eight nine ten eleven";
        assert_eq!(lines(&pieces(text)), ["one two three four five six", "seven eight nine ten eleven"]);
    }

    #[test]
    fn room_is_as_large_as_two_lines() {
        let words = |length: usize| pieces(&format!("{0} {0} {0}", "x".repeat(length)));
        assert!(fit_two_lines(&pieces(&format!("{0} {0}", "x".repeat(42)))));
        assert!(!fit_two_lines(&words(22)) && fit_two_lines(&words(20)));
        assert!(fit_two_lines(&pieces(&"日".repeat(42))) && !fit_two_lines(&pieces(&"日".repeat(43))));
    }
}
