//! A text in units that no line break may tear apart: words, and single characters of scripts without spaces.

use std::ops::Range;

use unicode_linebreak::linebreaks;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::clean::is_unspaced;

/// A word, and the white space between it and the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit<'a> {
    pub gap: &'a str,
    pub text: &'a str,
}

/// The columns that a text takes: a Chinese character or an emoji takes two.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The units of a cleaned text, none of them wider than `widest` columns.
pub fn units(text: &str, widest: usize) -> Vec<Unit<'_>> {
    let (mut units, mut from) = (Units { text, gap_from: 0, units: Vec::new() }, 0);
    for (at, _) in linebreaks(text) {
        if at == text.len() || is_break(text, at) {
            split(text, from..at, widest, &mut |range| units.add(range));
            from = at;
        }
    }
    units.units
}

/// Units that are found one after another.
struct Units<'a> {
    text: &'a str,
    /// Where the last unit ended.
    gap_from: usize,
    units: Vec<Unit<'a>>,
}

impl Units<'_> {
    /// Adds what is in the range, without the white space around it.
    fn add(&mut self, range: Range<usize>) {
        let word = self.text[range.clone()].trim();
        if word.is_empty() {
            return;
        }
        let start = range.end - self.text[range].trim_start().len();
        self.units.push(Unit { gap: &self.text[self.gap_from..start], text: word });
        self.gap_from = start + word.len();
    }
}

/// Whether a cue may be cut here: at white space, and beside characters of scripts without spaces. The Unicode rules
/// also allow a break at hyphens and between Korean syllables, which readers do not expect of subtitles.
fn is_break(text: &str, at: usize) -> bool {
    let (before, after) = (text[..at].chars().next_back(), text[at..].chars().next());
    let is_space = |c: char| c.is_whitespace() || c == '\u{200b}';
    before.is_some_and(|c| is_space(c) || is_unspaced(c)) || after.is_some_and(is_unspaced)
}

/// Cuts a word that is wider than a line: where the Unicode rules allow it (after hyphens and slashes), else between
/// characters as a reader sees them.
fn split(text: &str, word: Range<usize>, widest: usize, part: &mut impl FnMut(Range<usize>)) {
    if width(text[word.clone()].trim()) <= widest {
        return part(word);
    }
    let mut from = word.start;
    for (at, _) in linebreaks(&text[word.clone()]) {
        let at = word.start + at;
        by_characters(text, from..at, widest, part);
        from = at;
    }
}

fn by_characters(text: &str, word: Range<usize>, widest: usize, part: &mut impl FnMut(Range<usize>)) {
    let (mut from, mut taken) = (word.start, 0);
    for (at, character) in text[word.clone()].grapheme_indices(true) {
        let (at, wide) = (word.start + at, width(character));
        if taken + wide > widest && at > from {
            part(from..at);
            (from, taken) = (at, 0);
        }
        taken += wide;
    }
    part(from..word.end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        units(text, 10).into_iter().map(|unit| unit.text).collect()
    }

    #[test]
    fn words_are_cut_at_spaces_only() {
        assert_eq!(texts("A well-known 50/50 case — no?"), ["A", "well-known", "50/50", "case", "—", "no?"]);
        assert_eq!(texts("Quoi\u{a0}? 한국어 말"), ["Quoi\u{a0}?", "한국어", "말"]);
        assert_eq!(units("a  b", 10)[1], Unit { gap: "  ", text: "b" });
    }

    #[test]
    fn japanese_is_cut_between_characters_but_never_before_punctuation() {
        assert_eq!(texts("今日は、「雨」です。"), ["今", "日", "は、", "「雨」", "で", "す。"]);
        assert_eq!(texts("東京Tower"), ["東", "京", "Tower"]);
    }

    #[test]
    fn too_wide_words_are_cut_at_hyphens_then_between_whole_characters() {
        assert_eq!(texts("half-xxxxxxxxxxxx"), ["half-", "xxxxxxxxxx", "xx"]);
        let family = "👩\u{200d}👩\u{200d}👧";
        assert_eq!(texts(&family.repeat(6)), [family; 6]);
        assert_eq!(texts(&"e\u{301}".repeat(12)), ["e\u{301}".repeat(10), "e\u{301}".repeat(2)]);
    }

    #[test]
    fn nothing_is_lost() {
        for text in
            ["", "a", "a b", "a \u{a0}b", "ab\u{200b}cd", "x\u{3000}y", "https://example.org/a/very/long/path?query=1"]
        {
            let all: String = units(text, 10).iter().flat_map(|unit| [unit.gap, unit.text]).collect();
            assert_eq!(all, text);
        }
    }
}
