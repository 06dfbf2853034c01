//! JSON: the fields of the API, unchanged.

use serde::Serialize;

use crate::conversation::{Head, Segment};
use crate::output::Output;

pub struct Json {
    /// Whether there is one object with the list of all conversations, and not an object for each.
    list: bool,
    is_first: bool,
    is_first_segment: bool,
}

impl Json {
    pub fn new(list: bool) -> Self {
        Self { list, is_first: true, is_first_segment: true }
    }
}

impl Output for Json {
    fn start(&mut self, to: &mut String) {
        if self.list {
            to.push_str("{\"conversations\":[");
        }
    }

    fn begin(&mut self, to: &mut String, head: &Head) {
        if !std::mem::take(&mut self.is_first) && self.list {
            to.push(',');
        }
        self.is_first_segment = true;
        let head = json(head);
        to.push_str(head.trim_end_matches('}'));
        to.push_str(",\"segments\":[");
    }

    fn segment(&mut self, to: &mut String, segment: &Segment) {
        if !std::mem::take(&mut self.is_first_segment) {
            to.push(',');
        }
        to.push_str(&json(segment));
    }

    fn end(&mut self, to: &mut String) {
        to.push_str(if self.list { "]}" } else { "]}\n" });
    }

    fn finish(&mut self, to: &mut String) {
        if self.list {
            to.push_str("]}\n");
        }
    }
}

fn json(value: &impl Serialize) -> String {
    // Plain structures of text and numbers can always be written.
    serde_json::to_string(value).unwrap_or_default()
}
