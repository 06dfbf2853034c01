//! When each part of a segment's text was said: by the times of its words, else in proportion to its characters.

use crate::conversation::Word;

/// How many letters of the text are skipped at most to find the next word, if an engine's words and text differ.
const LOOK_AHEAD: usize = 32;

/// Times of positions in a text. A position counts the characters before it that are no white space.
#[derive(Debug)]
pub struct Timeline {
    /// In order of position and of time. Between two anchors, time passes evenly. Two anchors of one position are a
    /// pause.
    anchors: Vec<(usize, u64)>,
}

/// A character of the text that is no white space.
struct Mark {
    letter: Option<char>,
    after_space: bool,
}

impl Timeline {
    /// The times of a text between `start` and `end`.
    pub fn new(text: &str, (start, end): (u64, u64), words: &[Word]) -> Self {
        let marks = marks(text);
        let mut timeline = Self { anchors: vec![(0, start)] };
        timeline.add_words(&marks, words, end);
        timeline.anchors.push((marks.len(), end.max(start)));
        timeline
    }

    fn add_words(&mut self, marks: &[Mark], words: &[Word], latest: u64) {
        let letters: Vec<(usize, char)> =
            marks.iter().enumerate().filter_map(|(at, mark)| Some((at, mark.letter?))).collect();
        let mut next = 0;
        for word in words {
            let spelt: Vec<char> = word.text.chars().filter_map(letter).collect();
            let Some(at) = find(&letters, next, &spelt) else { continue };
            next = at + spelt.len();
            let (first, last) = with_punctuation(marks, letters[at].0, letters[next - 1].0, self.position());
            let (start, end) = word.span();
            self.add(first, start.min(latest));
            self.add(last + 1, end.min(latest));
        }
    }

    fn position(&self) -> usize {
        self.anchors.last().map_or(0, |anchor| anchor.0)
    }

    /// Times never go back, whatever an engine says.
    fn add(&mut self, position: usize, time: u64) {
        let before = self.anchors.last().map_or(0, |anchor| anchor.1);
        self.anchors.push((position, time.max(before)));
    }

    /// When the text from this position on begins: after a pause.
    pub fn start_at(&self, position: usize) -> u64 {
        let after = self.anchors.partition_point(|anchor| anchor.0 <= position);
        self.between(after, position)
    }

    /// When the text up to this position ends: before a pause.
    pub fn end_at(&self, position: usize) -> u64 {
        let after = self.anchors.partition_point(|anchor| anchor.0 < position);
        match self.anchors.get(after) {
            Some(anchor) if anchor.0 == position => anchor.1,
            _ => self.between(after, position),
        }
    }

    /// The time between the anchor with this index and the one before it.
    fn between(&self, after: usize, position: usize) -> u64 {
        let before = self.anchors[after.saturating_sub(1)];
        let Some(after) = self.anchors.get(after) else { return before.1 };
        let (part, whole) = ((position - before.0) as u64, (after.0 - before.0).max(1) as u64);
        before.1 + (after.1 - before.1) * part / whole
    }
}

fn marks(text: &str) -> Vec<Mark> {
    let (mut marks, mut after_space) = (Vec::new(), false);
    for c in text.chars() {
        if c.is_whitespace() {
            after_space = true;
        } else {
            marks.push(Mark { letter: letter(c), after_space });
            after_space = false;
        }
    }
    marks
}

/// A letter or digit in lower case: words of engines often lack the punctuation and the capitals of the text.
fn letter(c: char) -> Option<char> {
    c.is_alphanumeric().then(|| c.to_lowercase().next().unwrap_or(c))
}

/// Where the word stands in the letters of the text, from `next` on.
fn find(letters: &[(usize, char)], next: usize, word: &[char]) -> Option<usize> {
    if word.is_empty() {
        return None;
    }
    let matches = |at: &usize| {
        let there = letters.get(*at..*at + word.len());
        there.is_some_and(|there| there.iter().map(|letter| letter.1).eq(word.iter().copied()))
    };
    (next..=next + LOOK_AHEAD).find(matches)
}

/// The first and last position of a word with the punctuation that touches it.
fn with_punctuation(marks: &[Mark], mut first: usize, mut last: usize, earliest: usize) -> (usize, usize) {
    while first > earliest && !marks[first].after_space && marks[first - 1].letter.is_none() {
        first -= 1;
    }
    while marks.get(last + 1).is_some_and(|mark| mark.letter.is_none() && !mark.after_space) {
        last += 1;
    }
    (first, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(start_ms: i64, end_ms: i64, text: &str) -> Word {
        Word { start_ms, end_ms, text: text.into() }
    }

    #[test]
    fn without_words_time_passes_evenly_over_the_characters() {
        let timeline = Timeline::new("abcd efgh", (1000, 1800), &[]);
        assert_eq!([timeline.start_at(0), timeline.end_at(4), timeline.start_at(4)], [1000, 1400, 1400]);
        assert_eq!(timeline.end_at(8), 1800);
    }

    #[test]
    fn words_have_their_own_times_and_pauses() {
        let words = [word(500, 900, "hello"), word(3000, 3600, "world")];
        let timeline = Timeline::new("\"Hello, world!\"", (0, 5000), &words);
        assert_eq!([timeline.start_at(0), timeline.end_at(7)], [500, 900]);
        assert_eq!([timeline.start_at(7), timeline.end_at(14)], [3000, 3600]);
    }

    #[test]
    fn words_that_are_not_in_the_text_are_ignored() {
        let words = [word(0, 100, "nothing"), word(400, 500, "b"), word(500, 600, "...")];
        let timeline = Timeline::new("a b c", (0, 900), &words);
        assert_eq!([timeline.start_at(1), timeline.end_at(2), timeline.end_at(3)], [400, 500, 900]);
    }

    #[test]
    fn a_repeated_word_is_found_once_for_each_time() {
        let words = [word(0, 1, "no"), word(5, 6, "no"), word(8, 9, "no")];
        let timeline = Timeline::new("no no no", (0, 10), &words);
        assert_eq!([0, 2, 4].map(|at| timeline.start_at(at)), [0, 5, 8]);
    }

    #[test]
    fn times_never_go_back_or_leave_the_segment() {
        let words = [word(900, 200, "a"), word(-5, 50, "b"), word(5000, 9000, "c")];
        let timeline = Timeline::new("a b c", (100, 1000), &words);
        let times: Vec<_> = (0..=3).flat_map(|at| [timeline.end_at(at), timeline.start_at(at)]).collect();
        assert!(times.is_sorted() && times.iter().all(|time| (100..=1000).contains(time)), "{times:?}");
    }
}
