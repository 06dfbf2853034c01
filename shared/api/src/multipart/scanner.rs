//! Finds the delimiter between parts, however the body is cut into frames, without storing or copying a byte.
//!
//! The delimiter is CR LF, two hyphens and the boundary, which has no CR. So its only CR is its first byte, and two
//! things follow. Only the last CR of a frame can begin a delimiter that continues in the next frame. And when a
//! partial match fails, no other match has begun inside it: all of it is content, and its bytes are those of the
//! delimiter.

use bytes::{Buf, Bytes};
use memchr::memmem::Finder;

const LINE_BREAK: usize = 2;

pub(super) struct Scanner {
    delimiter: Bytes,
    finder: Finder<'static>,
    /// How many bytes of the delimiter have matched at the end of the previous frames.
    matched: usize,
    /// How many of the `matched` bytes are the end of an earlier line, and so not content if the match fails.
    borrowed: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Never empty.
    Content(Bytes),
    /// The delimiter was removed from the frame: what is left follows it.
    Delimiter,
    /// More bytes are needed.
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

    /// Tells the scanner that the bytes before the frame ended in a line break, or that nothing was read yet. This line
    /// break may also be that of the delimiter: after an empty part it follows directly on the headers.
    pub(super) fn after_line_break(&mut self) {
        (self.matched, self.borrowed) = (LINE_BREAK, LINE_BREAK);
    }

    /// Takes content or the delimiter from the front of `frame`, as far as they can be told apart.
    pub(super) fn step(&mut self, frame: &mut Bytes) -> Step {
        if self.matched > 0 {
            return self.continue_match(frame);
        }
        match self.finder.find(frame) {
            Some(0) => {
                frame.advance(self.delimiter.len());
                Step::Delimiter
            }
            Some(start) => Step::Content(frame.split_to(start)),
            None => {
                let start = self.partial_delimiter(frame);
                self.matched = frame.len() - start;
                let content = frame.split_to(start);
                *frame = Bytes::new();
                Step::content(content)
            }
        }
    }

    /// The offset of a partial delimiter at the end of `frame`; the length of `frame` if there is none.
    fn partial_delimiter(&self, frame: &[u8]) -> usize {
        let earliest = frame.len().saturating_sub(self.delimiter.len() - 1);
        let start = memchr::memrchr(b'\r', &frame[earliest..]).map(|at| earliest + at);
        start.filter(|&start| self.delimiter.starts_with(&frame[start..])).unwrap_or(frame.len())
    }

    fn continue_match(&mut self, frame: &mut Bytes) -> Step {
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
            // Bytes of this frame that matched stay in it: the next step finds that they are content.
            Step::content(self.delimiter.slice(self.borrowed..self.matched))
        };
        (self.matched, self.borrowed) = (0, 0);
        step
    }
}
