//! Paragraphs to read: what one speaker says in segments that follow one another.

use crate::clean::{clean, joint, name};
use crate::conversation::Segment;

/// A pause that begins a new paragraph.
const PAUSE_MS: u64 = 2000;
/// A paragraph ends when it has so many bytes, so that a time can be found at every few lines.
const LONG_BYTES: usize = 500;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Paragraph {
    pub start_ms: u64,
    pub speaker: Option<String>,
    pub text: String,
    end_ms: u64,
}

#[derive(Debug, Default)]
pub struct Paragraphs {
    open: Option<Paragraph>,
}

impl Paragraphs {
    /// Adds a segment; returns the paragraph that ended before it.
    pub fn add(&mut self, segment: &Segment) -> Option<Paragraph> {
        let text = clean(&segment.text);
        if text.is_empty() {
            return None;
        }
        let (start_ms, end_ms) = segment.span();
        let speaker = name(segment.speaker.as_deref());
        match &mut self.open {
            Some(open) if open.goes_on(start_ms, speaker.as_deref()) => {
                open.text.push_str(joint(&open.text, &text));
                open.text.push_str(&text);
                open.end_ms = open.end_ms.max(end_ms);
                None
            }
            _ => self.open.replace(Paragraph { start_ms, speaker, text, end_ms }),
        }
    }

    pub fn end(&mut self) -> Option<Paragraph> {
        self.open.take()
    }
}

impl Paragraph {
    fn goes_on(&self, start_ms: u64, speaker: Option<&str>) -> bool {
        let is_near = start_ms >= self.start_ms && start_ms.saturating_sub(self.end_ms) < PAUSE_MS;
        is_near && self.speaker.as_deref() == speaker && self.text.len() < LONG_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(segments: &[(&str, i64, i64, &str)]) -> Vec<String> {
        let mut paragraphs = Paragraphs::default();
        let segment = |&(speaker, start_ms, end_ms, text): &(&str, i64, i64, &str)| {
            let speaker = Some(speaker.to_owned());
            Segment { start_ms, end_ms, speaker, text: text.into(), ..Segment::default() }
        };
        let mut all: Vec<_> = segments.iter().filter_map(|it| paragraphs.add(&segment(it))).collect();
        all.extend(paragraphs.end());
        all.into_iter().map(|paragraph| paragraph.text).collect()
    }

    #[test]
    fn paragraph_ends_with_its_speaker_or_at_a_pause() {
        let said = [("A", 0, 500, "one"), ("A", 600, 900, "two"), ("A", 950, 960, " "), ("B", 1000, 1100, "three")];
        assert_eq!(texts(&said), ["one two", "three"]);
        assert_eq!(texts(&[("A", 0, 500, "one"), ("A", 2500, 3000, "two")]), ["one", "two"]);
        assert_eq!(texts(&[("A", 9000, 9500, "one"), ("A", 0, 100, "two")]), ["one", "two"], "out of order");
    }

    #[test]
    fn long_paragraph_ends() {
        let said = [("A", 0, 10, "x".repeat(500)), ("A", 10, 20, "y".into())];
        assert_eq!(texts(&said.each_ref().map(|it| (it.0, it.1, it.2, it.3.as_str()))).len(), 2);
    }
}
