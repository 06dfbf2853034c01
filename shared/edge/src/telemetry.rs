//! Logging to standard error: readable lines on a terminal, JSON lines anywhere else.

mod filter;
pub(crate) mod writer;

use std::io::{self, IsTerminal};

use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

pub use self::filter::{InvalidLogFilter, LogFilter};
pub use self::writer::FlushAtEnd;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    Text,
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    pub filter: LogFilter,
    pub format: Format,
}

/// Sets up logging for the process. A second call changes nothing, so that several servers can run in one process. The
/// result has to live as long as the process logs.
pub fn init(telemetry: &Telemetry) -> io::Result<FlushAtEnd> {
    let json = match telemetry.format {
        Format::Auto => !io::stderr().is_terminal(),
        Format::Text => false,
        Format::Json => true,
    };
    let (lines, flush_at_end) = writer::start(io::stderr())?;
    if subscriber(&telemetry.filter, json, lines).try_init().is_err() {
        return Ok(FlushAtEnd::nothing());
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(flush_at_end)
}

type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

fn subscriber<W>(filter: &LogFilter, json: bool, writer: W) -> Subscriber
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt().with_env_filter(filter.directives()).with_writer(writer);
    if json {
        return Box::new(lines.json().flatten_event(true).with_current_span(true).with_span_list(false).finish());
    }
    Box::new(lines.compact().with_ansi(io::stderr().is_terminal()).finish())
}

/// Logs a panic as one line like any other, with the fields of the request in which it happened.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string);
    tracing::error!(place, cause = message, "panic");
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::testing::Lines;

    fn info() -> LogFilter {
        LogFilter::default()
    }

    /// An output that blocks until the test is over, and never takes a byte.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl io::Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    #[test]
    fn log_that_nobody_can_write_stops_nobody() {
        let (release, stuck) = std::sync::mpsc::channel();
        let (lines, flush_at_end) = writer::start(Stuck(stuck)).unwrap();
        let subscriber = subscriber(&info(), true, lines);
        tracing::subscriber::with_default(subscriber, || (0..50_000).for_each(|n| tracing::info!(n, "lost")));
        drop(flush_at_end);
        drop(release);
    }

    #[test]
    fn last_lines_are_written_before_the_end() {
        let written = Lines::default();
        let (lines, flush_at_end) = writer::start(written.clone()).unwrap();
        let subscriber = subscriber(&info(), true, lines);
        tracing::subscriber::with_default(subscriber, || (0..500).for_each(|n| tracing::info!(n, "kept")));
        drop(flush_at_end);
        let text = written.text();
        assert!(text.lines().count() == 500 && text.ends_with("}\n"), "{}", text.len());
    }

    #[test]
    fn json_lines_are_flat_and_contain_the_request_span() {
        let lines = Lines::default();
        let subscriber = subscriber(&info(), true, lines.clone());
        tracing::subscriber::with_default(subscriber, || {
            let _inside = tracing::info_span!("request", request_id = "id-1").entered();
            tracing::info!(job_id = "j", "made");
            tracing::debug!("unseen");
        });
        let text = lines.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["message"], &line["job_id"], &line["level"]), (&"made".into(), &"j".into(), &"INFO".into()));
        assert_eq!(line["span"]["request_id"], "id-1");
    }

    #[test]
    fn text_log_line_has_message_and_fields() {
        let lines = Lines::default();
        let subscriber = subscriber(&info(), false, lines.clone());
        tracing::subscriber::with_default(subscriber, || tracing::info!(job_id = "j", "made"));
        assert!(lines.text().contains("made job_id=\"j\""), "{}", lines.text());
    }
}
