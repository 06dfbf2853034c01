//! The fields of one line or span. Their values are bounded and free of control characters before a line is formatted, so
//! that a line is never cut in the middle and no reader of the log is led astray by it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write};

use domain::masking::without_credentials;
use tracing::field::{Field, Visit};

/// The most bytes of one value, as it is written. Readers such as journald and the log drivers of Docker cut lines of more
/// than 16 KiB or fewer.
const MAX_VALUE: usize = 1536;
/// The most bytes of all fields of an event, names included.
const MAX_EVENT: usize = 5 * 1024;
/// The most bytes of all fields of the spans around it.
const MAX_SPANS: usize = 2 * 1024;
/// What a field costs besides its name and its value: quotes, a colon, a comma.
const AROUND: usize = 6;
/// How much is formatted of a value before its credentials are masked and it is cut.
const READ: usize = 4 * MAX_VALUE;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A text that a string in the program was.
    Text(String),
    /// A text that something else was formatted as.
    Shown(String),
    /// A number or a truth value, as JSON writes it.
    Plain(String),
}

impl Value {
    fn cost(&self) -> usize {
        match self {
            Self::Text(text) | Self::Shown(text) => text.chars().map(cost).sum(),
            Self::Plain(text) => text.len(),
        }
    }
}

/// The bytes that a character takes in a line. The longest form is `\u001b`.
fn cost(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        c if c.is_control() => 6,
        c => c.len_utf8(),
    }
}

/// The fields in the order in which they were given, each name once.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) list: Vec<(&'static str, Value)>,
    left: usize,
}

impl Fields {
    pub(super) fn of_event() -> Self {
        Self { list: Vec::new(), left: MAX_EVENT }
    }

    pub(super) fn of_spans() -> Self {
        Self { list: Vec::new(), left: MAX_SPANS }
    }

    /// Adds the fields of an inner span. Its values win.
    pub(super) fn add_all(&mut self, inner: &Self) {
        inner.list.iter().for_each(|(name, value)| self.put(name, value.clone()));
    }

    pub(super) fn take_message(&mut self) -> Option<Value> {
        let at = self.list.iter().position(|(name, _)| *name == "message")?;
        Some(self.list.remove(at).1)
    }

    /// Adds a field if there is room for it. A number or a truth value is short, so that it always has room.
    fn put(&mut self, name: &'static str, value: Value) {
        if let Some(at) = self.list.iter().position(|(known, _)| *known == name) {
            let (_, old) = self.list.remove(at);
            self.left += name.len() + AROUND + old.cost();
        }
        let price = name.len() + AROUND + value.cost();
        let has_room = price <= self.left;
        if has_room || matches!(value, Value::Plain(_)) {
            self.left = self.left.saturating_sub(price);
            self.list.push((name, value));
        }
    }

    fn put_text(&mut self, field: &Field, text: &str, kind: fn(String) -> Value) {
        let room = self.left.saturating_sub(field.name().len() + AROUND).min(MAX_VALUE);
        self.put(field.name(), kind(shortened(&without_credentials(text), room)));
    }
}

/// The text, or as much of it as there is room for with an ellipsis.
fn shortened(text: &str, room: usize) -> String {
    const ELLIPSIS: char = '…';
    if text.chars().map(cost).sum::<usize>() <= room {
        return text.to_owned();
    }
    let mut left = room.saturating_sub(ELLIPSIS.len_utf8());
    let fits = |c: &char| left.checked_sub(cost(*c)).map(|rest| left = rest).is_some();
    let mut short: String = text.chars().take_while(fits).collect();
    short.push(ELLIPSIS);
    short
}

/// Formats a value no further than is needed.
struct Beginning(String);

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = READ.saturating_sub(self.0.len());
        let end = text.floor_char_boundary(room);
        self.0.push_str(&text[..end]);
        // The formatting ends here; nobody is told of this error.
        if end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

fn beginning(shown: impl fmt::Display) -> String {
    let mut text = Beginning(String::new());
    let _ = write!(text, "{shown}");
    text.0
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, text: &str) {
        let beginning = &text[..text.floor_char_boundary(READ)];
        self.put_text(field, beginning, Value::Text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put_text(field, &beginning(format_args!("{value:?}")), Value::Shown);
    }

    fn record_error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        self.put_text(field, &beginning(error), Value::Shown);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), Value::Plain(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), Value::Plain(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), Value::Plain(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is not finite.
        let text = value.to_string();
        self.put(field.name(), if value.is_finite() { Value::Plain(text) } else { Value::Shown(text) });
    }
}

/// A text in quotes, as JSON writes it, without any control character.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A text without quotes, on one line.
pub(super) fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(shown).collect())
}
