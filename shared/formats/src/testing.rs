//! Pieces for tests.

use crate::piece::{Ending, Kind, Piece};
use crate::units::{Unit, units, width};

/// The pieces of a text that takes 50 ms a character.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut at = 0;
    let piece = |unit: Unit<'_>| {
        let start = at;
        at += 50 * unit.text.chars().count() as u64;
        let kind = Kind::Text(Ending::of(unit.text));
        Piece { gap: unit.gap.into(), text: unit.text.into(), columns: width(unit.text), start, end: at, kind }
    };
    units(text, 42).into_iter().map(piece).collect()
}

/// Words with their times.
pub fn timed(words: &[(u64, u64, &str)]) -> Vec<Piece> {
    let piece = |(at, &(start, end, text)): (usize, &(u64, u64, &str))| {
        let gap = if at == 0 { "" } else { " " };
        Piece {
            gap: gap.into(),
            text: text.into(),
            columns: width(text),
            start,
            end,
            kind: Kind::Text(Ending::of(text)),
        }
    };
    words.iter().enumerate().map(piece).collect()
}
