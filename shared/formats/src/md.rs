//! Markdown: a heading for each conversation, and a paragraph for what a speaker says without a pause.

use std::fmt::Write;

use chrono::NaiveDate;

use crate::clean::is_character_reference;
use crate::conversation::{Head, Segment};
use crate::heading::{occasion, title};
use crate::local_time::UtcOffset;
use crate::output::Output;
use crate::paragraphs::{Paragraph, Paragraphs};

/// What is markup in CommonMark or in its common extensions (tables, strikethrough, formulas, highlights, attributes,
/// tags) wherever it stands. Nothing of the text stands at the beginning of a line, so that lists and quotes need no
/// escape.
const MARKUP: &str = "\\`*_[]<~|$^{}#";

pub struct Md {
    offset: UtcOffset,
    paragraphs: Paragraphs,
    is_first: bool,
    started_at: i64,
    date: Option<NaiveDate>,
}

impl Md {
    pub fn new(offset: UtcOffset) -> Self {
        Self { offset, paragraphs: Paragraphs::default(), is_first: true, started_at: 0, date: None }
    }

    fn write(&mut self, to: &mut String, paragraph: &Paragraph) {
        let at = self.offset.at(self.started_at.saturating_add_unsigned(paragraph.start_ms));
        if self.date.replace(at.date()) != Some(at.date()) {
            let _ = writeln!(to, "\n*{}*", at.date());
        }
        let _ = write!(to, "\n**{}", at.second());
        if let Some(speaker) = &paragraph.speaker {
            let _ = write!(to, " {}:", escaped(speaker));
        }
        let _ = writeln!(to, "** {}", escaped(&paragraph.text));
    }
}

impl Output for Md {
    fn begin(&mut self, to: &mut String, head: &Head) {
        if !std::mem::take(&mut self.is_first) {
            to.push('\n');
        }
        self.started_at = head.started_at.millis();
        let start = self.offset.at(self.started_at);
        let title = title(head).unwrap_or_else(|| format!("Conversation of {} {}", start.date(), start.minute()));
        let _ = writeln!(to, "# {}\n\n*{}*", escaped(&title), escaped(&occasion(head, self.offset)));
        self.date = Some(start.date());
    }

    fn segment(&mut self, to: &mut String, segment: &Segment) {
        if let Some(ended) = self.paragraphs.add(segment) {
            self.write(to, &ended);
        }
    }

    fn end(&mut self, to: &mut String) {
        if let Some(ended) = self.paragraphs.end() {
            self.write(to, &ended);
        }
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let (before, from_here) = (&text[..at], &text[at..]);
        let is_reference = c == '&' && is_character_reference(from_here);
        let is_highlight = c == '=' && (before.ends_with('=') || from_here.starts_with("=="));
        if MARKUP.contains(c) || is_reference || is_highlight {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_and_ordinary_punctuation_is_not() {
        let texts = [
            ("*a* _b_ `c`", "\\*a\\* \\_b\\_ \\`c\\`"),
            ("[x](y) <b> ![i](j)", "\\[x\\](y) \\<b> !\\[i\\](j)"),
            ("&lt; AT&T a==b=c", "\\&lt; AT&T a\\=\\=b=c"),
            ("Well, 1. e4 - it's fine: yes! (no?) + \"so\"", "Well, 1. e4 - it's fine: yes! (no?) + \"so\""),
        ];
        for (text, wanted) in texts {
            assert_eq!(escaped(text), wanted);
        }
    }
}
