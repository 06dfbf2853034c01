//! A word of a cue with its time: the smallest part that cues are made of.

use crate::units::width;

/// Quotes and brackets that may stand behind the end of a sentence.
const CLOSING: [char; 12] = ['"', '\'', '”', '’', '»', ')', ']', '」', '』', '）', '】', '«'];
const SENTENCE: [char; 15] = ['.', '!', '?', '…', '。', '！', '？', '．', '؟', '۔', '।', '॥', '։', '။', '።'];
const CLAUSE: [char; 13] = [',', ';', ':', '、', '，', '；', '：', '،', '؛', '–', '—', '՝', '၊'];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The white space before it, which a line break replaces.
    pub gap: String,
    pub text: String,
    /// The columns of the text.
    pub columns: usize,
    pub start: u64,
    pub end: u64,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name before what its speaker says.
    Name,
    /// A part of the text.
    Text(Ending),
}

/// How well a cue could end behind a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Sentence,
    Clause,
    Nothing,
}

impl Piece {
    pub fn is_name(&self) -> bool {
        self.kind == Kind::Name
    }

    /// The columns of the piece in the middle of a line.
    pub fn columns_with_gap(&self) -> usize {
        width(&self.gap) + self.columns
    }

    pub fn ending(&self) -> Ending {
        match self.kind {
            Kind::Name => Ending::Nothing,
            Kind::Text(ending) => ending,
        }
    }
}

impl Ending {
    pub fn of(text: &str) -> Self {
        match text.trim_end_matches(CLOSING).chars().next_back() {
            Some(c) if SENTENCE.contains(&c) => Self::Sentence,
            Some(c) if CLAUSE.contains(&c) => Self::Clause,
            _ => Self::Nothing,
        }
    }
}

/// The columns of some pieces in one line.
pub fn columns(pieces: &[Piece]) -> usize {
    let Some((first, others)) = pieces.split_first() else { return 0 };
    first.columns + others.iter().map(Piece::columns_with_gap).sum::<usize>()
}

/// The text of some pieces as one line.
pub fn line(pieces: &[Piece]) -> String {
    let parts = pieces.iter().enumerate().flat_map(|(at, piece)| [if at == 0 { "" } else { &piece.gap }, &piece.text]);
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_of_a_sentence_is_seen_behind_quotes_and_in_many_scripts() {
        for text in ["yes.", "\"yes?\"", "はい。」", "हाँ।", "نعم؟", "well…"] {
            assert_eq!(Ending::of(text), Ending::Sentence, "{text}");
        }
        assert_eq!(
            [Ending::of("so,"), Ending::of("はい、"), Ending::of("so")],
            [Ending::Clause, Ending::Clause, Ending::Nothing]
        );
    }
}
