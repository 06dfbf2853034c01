//! Formats events as lines: one JSON object, or readable text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::fields::{Fields, Value, on_one_line, quoted};

/// Writes each event as one line.
pub(super) struct LineLayer<W> {
    pub(super) writer: W,
    pub(super) json: bool,
    pub(super) colours: bool,
}

impl<S, W> Layer<S> for LineLayer<W>
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::of_spans();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::of_event();
        event.record(&mut fields);
        let spans = spans(event, &context);
        let line = if self.json {
            json(event.metadata(), fields, spans)
        } else {
            text(event.metadata(), fields, spans, self.colours)
        };
        // Nobody can be told of a log that cannot be written; `writer` counts such lines.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(line.as_bytes());
    }
}

/// The name of the innermost span, and the fields of all spans.
type Spans = Option<(&'static str, Fields)>;

fn spans<S>(event: &Event<'_>, context: &Context<'_, S>) -> Spans
where
    S: Subscriber + for<'l> LookupSpan<'l>,
{
    let (mut name, mut fields) = (None, Fields::of_spans());
    for span in context.event_scope(event)?.from_root() {
        name = Some(span.name());
        if let Some(of_span) = span.extensions().get::<Fields>() {
            fields.add_all(of_span);
        }
    }
    Some((name?, fields))
}

fn time() -> String {
    let mut time = String::new();
    // The only possible error is one of the string, which has none.
    let _ = SystemTime.format_time(&mut Writer::new(&mut time));
    time
}

/// `{"timestamp":…,"level":…,<fields>,"target":…,"span":{<fields>,"name":…}}`
fn json(metadata: &Metadata<'_>, mut fields: Fields, spans: Spans) -> String {
    let mut line = format!("{{\"timestamp\":\"{}\",\"level\":\"{}\"", time(), metadata.level());
    if let Some(message) = fields.take_message() {
        put(&mut line, "message", &message);
    }
    fields.list.iter().for_each(|(name, value)| put(&mut line, &unique(name, &OWN_NAMES), value));
    let _ = write!(line, ",\"target\":{}", quoted(metadata.target()));
    if let Some((name, fields)) = spans {
        line.push_str(",\"span\":{");
        let start = line.len();
        fields.list.iter().for_each(|(name, value)| put(&mut line, &unique(name, &OWN_NAMES_OF_SPANS), value));
        put(&mut line, "name", &Value::Text(name.to_owned()));
        // The first field has no comma before it.
        line.remove(start);
        line.push('}');
    }
    line.push_str("}\n");
    line
}

/// The names that a line writes itself, and those that it writes itself in `span`.
const OWN_NAMES: [&str; 5] = ["timestamp", "level", "message", "target", "span"];
const OWN_NAMES_OF_SPANS: [&str; 1] = ["name"];

/// The name under which a field is written: JSON with the same name twice is refused by strict readers, so a field with a
/// name of the line's own gets another one.
fn unique<'n>(name: &'n str, own: &[&str]) -> Cow<'n, str> {
    if own.contains(&name) { Cow::Owned(format!("field.{name}")) } else { Cow::Borrowed(name) }
}

/// `,"name":value`
fn put(line: &mut String, name: &str, value: &Value) {
    let value = match value {
        Value::Text(text) | Value::Shown(text) => quoted(text),
        Value::Plain(text) => text.clone(),
    };
    let _ = write!(line, ",{}:{value}", quoted(name));
}

/// `<time>  INFO request: target: message name=value <fields of the spans>`
fn text(metadata: &Metadata<'_>, mut fields: Fields, spans: Spans, colours: bool) -> String {
    let mut line = format!("{} {}", time(), level(*metadata.level(), colours));
    if let Some((name, _)) = &spans {
        let _ = write!(line, " {name}:");
    }
    let _ = write!(line, " {}:", metadata.target());
    if let Some(Value::Text(message) | Value::Shown(message) | Value::Plain(message)) = fields.take_message() {
        let _ = write!(line, " {}", on_one_line(&message));
    }
    let of_spans = spans.map(|(_, fields)| fields.list).unwrap_or_default();
    for (name, value) in fields.list.iter().chain(&of_spans) {
        let _ = match value {
            Value::Text(text) => write!(line, " {name}={}", quoted(text)),
            Value::Shown(text) | Value::Plain(text) => write!(line, " {name}={}", on_one_line(text)),
        };
    }
    line.push('\n');
    line
}

/// The level in five columns; on a terminal it has the colour that other programs give it.
fn level(level: Level, colours: bool) -> String {
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    };
    if colours { format!("\u{1b}[{colour}m{level:>5}\u{1b}[0m") } else { format!("{level:>5}") }
}

#[cfg(test)]
mod tests;
