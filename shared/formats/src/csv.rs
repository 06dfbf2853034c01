//! CSV by RFC 4180, with a row for each segment. No cell is taken for a formula by a spreadsheet.

use crate::clean::{clean, name};
use crate::conversation::{Head, Segment};
use crate::heading::title;
use crate::local_time::UtcOffset;
use crate::output::Output;

const HEADER: &str = "conversation_id,title,source,recording_id,time,start_ms,end_ms,speaker,text\r\n";
/// What begins a formula in some spreadsheet, as OWASP lists it ("CSV Injection"). With Japanese settings, wide and small
/// forms do so as well. The last one is the minus sign of mathematics.
const FORMULA: &str = "=+-@＝＋－＠﹦﹢﹣﹫−";

pub struct Csv {
    offset: UtcOffset,
    head: Head,
    /// The cells that all rows of the conversation begin with.
    first_cells: [String; 3],
}

impl Csv {
    pub fn new(offset: UtcOffset) -> Self {
        Self { offset, head: Head::default(), first_cells: Default::default() }
    }
}

impl Output for Csv {
    fn start(&mut self, to: &mut String) {
        to.push_str(HEADER);
    }

    fn begin(&mut self, _to: &mut String, head: &Head) {
        self.first_cells = [clean(&head.id), title(head).unwrap_or_default(), clean(&head.source)];
        self.head = head.clone();
    }

    fn segment(&mut self, to: &mut String, segment: &Segment) {
        let (start, end) = segment.span();
        for cell in &self.first_cells {
            write_text(to, cell);
            to.push(',');
        }
        write_text(to, &clean(segment.recording_id.as_deref().unwrap_or_default()));
        to.push_str(&format!(",{},{start},{end},", self.offset.at(segment.starts_at(&self.head)).rfc3339()));
        write_text(to, &name(segment.speaker.as_deref()).unwrap_or_default());
        to.push(',');
        write_text(to, &clean(&segment.text));
        to.push_str("\r\n");
    }

    fn end(&mut self, _to: &mut String) {}
}

/// Every text is quoted, so that a spreadsheet that separates cells by `;` or tabs does not split it.
fn write_text(to: &mut String, cell: &str) {
    to.push('"');
    if is_formula(cell) {
        to.push('\'');
    }
    for c in cell.chars() {
        if c == '"' {
            to.push('"');
        }
        to.push(c);
    }
    to.push('"');
}

/// Some programs skip what stands before the sign. An apostrophe of the text counts as well, so that the one that is
/// put before it can be told from it.
fn is_formula(cell: &str) -> bool {
    let is_skipped = |c: char| c == '\'' || c == '\u{200b}' || c.is_whitespace() || c.is_control();
    cell.trim_start_matches(is_skipped).starts_with(|c| FORMULA.contains(c)) || cell.starts_with(['\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> String {
        let mut to = String::new();
        write_text(&mut to, text);
        to
    }

    #[test]
    fn formula_is_made_a_text() {
        for sign in ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", " =", "\u{a0}@", "'="] {
            let text = format!("{sign}1");
            assert_eq!(cell(&text), format!("\"'{text}\""));
        }
        for text in ["a=b", "1-2", "'tis", "", "(=1)"] {
            assert_eq!(cell(text), format!("\"{text}\""));
        }
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(cell("she said \"=1\", then"), "\"she said \"\"=1\"\", then\"");
    }
}
