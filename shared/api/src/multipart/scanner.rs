//! Finds the delimiter between parts, however the body is cut into frames, without keeping or copying a byte.
//!
//! The delimiter is CR LF and two hyphens, then the boundary, which has no CR. So its only CR is its first byte, and
//! two things follow. Only the last CR of a frame can begin a delimiter that the next frame goes on with. And when a
//! delimiter begun turns out not to be one, no other has begun inside it: all of it is content, and known by heart.

use bytes::{Buf, Bytes};
use memchr::memmem::Finder;

const LINE_BREAK: usize = 2;

pub(super) struct Scanner {
    delimiter: Bytes,
    finder: Finder<'static>,
    /// How much of the delimiter the bytes before the frame are.
    matched: usize,
    /// How much of `matched` is the end of an earlier line, and so not content if it comes to nothing.
    borrowed: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Never empty.
    Content(Bytes),
    /// The delimiter was taken from the frame: what is left comes after it.
    Delimiter,
    /// Nothing to tell yet.
    Undecided,
}

impl Step {
    fn content(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Undecided } else { Self::Content(bytes) }
    }
}

impl Scanner {
    pub(super) fn new(boundary: &str) -> Self {
        let delimiter = Bytes::from(format!("\r\n--{boundary}"));
        let finder = Finder::new(&delimiter).into_owned();
        Self { delimiter, finder, matched: 0, borrowed: 0 }
    }

    /// What was just read ended in a line break (or nothing was read yet). It serves as the delimiter's own too: a part
    /// without content may have the delimiter right under its headers.
    pub(super) fn after_line_break(&mut self) {
        (self.matched, self.borrowed) = (LINE_BREAK, LINE_BREAK);
    }

    /// Takes from the front of `frame` what can be told from it.
    pub(super) fn step(&mut self, frame: &mut Bytes) -> Step {
        if self.matched > 0 {
            return self.go_on(frame);
        }
        match self.finder.find(frame) {
            Some(0) => {
                frame.advance(self.delimiter.len());
                Step::Delimiter
            }
            Some(start) => Step::Content(frame.split_to(start)),
            None => {
                let start = self.begun(frame);
                self.matched = frame.len() - start;
                let content = frame.split_to(start);
                *frame = Bytes::new();
                Step::content(content)
            }
        }
    }

    /// Where at the end of `frame` a delimiter begins; its length when none does.
    fn begun(&self, frame: &[u8]) -> usize {
        let earliest = frame.len().saturating_sub(self.delimiter.len() - 1);
        let start = memchr::memrchr(b'\r', &frame[earliest..]).map(|at| earliest + at);
        start.filter(|&start| self.delimiter.starts_with(&frame[start..])).unwrap_or(frame.len())
    }

    fn go_on(&mut self, frame: &mut Bytes) -> Step {
        let expected = &self.delimiter[self.matched..];
        let same = expected.iter().zip(frame.iter()).take_while(|(expected, byte)| expected == byte).count();
        if same < expected.len() && same == frame.len() {
            frame.advance(same);
            self.matched += same;
            return Step::Undecided;
        }
        let step = if same == expected.len() {
            frame.advance(same);
            Step::Delimiter
        } else {
            // What of this frame is like the delimiter stays in it: it is found to be content in the next step.
            Step::content(self.delimiter.slice(self.borrowed..self.matched))
        };
        (self.matched, self.borrowed) = (0, 0);
        step
    }
}
