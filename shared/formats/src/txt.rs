//! Plain text: a paragraph is a line with its local time and its speaker.

use std::fmt::Write;

use chrono::NaiveDate;

use crate::conversation::{Head, Segment};
use crate::heading::{occasion, title};
use crate::local_time::UtcOffset;
use crate::output::Output;
use crate::paragraphs::{Paragraph, Paragraphs};

/// What stands between two conversations.
const RULE: &str = "----------------------------------------";

pub struct Txt {
    offset: UtcOffset,
    paragraphs: Paragraphs,
    is_first: bool,
    started_at: i64,
    date: Option<NaiveDate>,
}

impl Txt {
    pub fn new(offset: UtcOffset) -> Self {
        Self { offset, paragraphs: Paragraphs::default(), is_first: true, started_at: 0, date: None }
    }

    fn write(&mut self, to: &mut String, paragraph: &Paragraph) {
        let at = self.offset.at(self.started_at.saturating_add_unsigned(paragraph.start_ms));
        // Where a conversation goes on after midnight, the times alone would seem to go back.
        if self.date.replace(at.date()) != Some(at.date()) {
            let _ = writeln!(to, "\n{}\n", at.date());
        }
        let _ = write!(to, "[{}] ", at.second());
        if let Some(speaker) = &paragraph.speaker {
            let _ = write!(to, "{speaker}: ");
        }
        let _ = writeln!(to, "{}", paragraph.text);
    }
}

impl Output for Txt {
    fn begin(&mut self, to: &mut String, head: &Head) {
        if !std::mem::take(&mut self.is_first) {
            let _ = writeln!(to, "\n{RULE}\n");
        }
        if let Some(title) = title(head) {
            let _ = writeln!(to, "{title}");
        }
        let _ = writeln!(to, "{}\n", occasion(head, self.offset));
        self.started_at = head.started_at.millis();
        self.date = Some(self.offset.at(self.started_at).date());
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
