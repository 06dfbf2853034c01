//! Logging to standard error: readable lines on a terminal, JSON lines anywhere else.

mod fields;
mod filter;
mod lines;
pub(crate) mod writer;

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, reload};

use self::lines::LineLayer;

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

/// The filter of the process, once its log is set up.
static FILTER: OnceLock<FilterHandle> = OnceLock::new();

type FilterHandle = reload::Handle<EnvFilter, Registry>;

/// Sets up logging for the process. A second call changes nothing, so that several servers can run in one process. The
/// result has to live as long as the process logs.
pub fn init(telemetry: &Telemetry) -> io::Result<FlushAtEnd> {
    let terminal = io::stderr().is_terminal();
    let json = match telemetry.format {
        Format::Auto => !terminal,
        Format::Text => false,
        Format::Json => true,
    };
    let (lines, flush_at_end) = writer::start(io::stderr())?;
    let (subscriber, filter) = subscriber(&telemetry.filter, json, terminal, lines);
    if subscriber.try_init().is_err() {
        return Ok(FlushAtEnd::nothing());
    }
    let _ = FILTER.set(filter);
    std::panic::set_hook(Box::new(log_panic));
    Ok(flush_at_end)
}

/// Logs by another filter from now on.
pub fn change_filter(filter: &LogFilter) {
    if let Some(handle) = FILTER.get() {
        // This fails only when the process ends.
        let _ = handle.reload(filter.directives());
    }
}

type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

fn subscriber<W>(filter: &LogFilter, json: bool, colours: bool, writer: W) -> (Subscriber, FilterHandle)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter.directives());
    let lines = LineLayer { writer, json, colours };
    (Box::new(tracing_subscriber::registry().with(filter).with(lines)), handle)
}

/// Runs a test whose log goes to these lines.
#[cfg(test)]
pub(crate) fn with_lines(lines: &crate::testing::Lines, act: impl FnOnce()) {
    let (subscriber, _) = subscriber(&LogFilter::default(), true, false, lines.clone());
    tracing::subscriber::with_default(subscriber, act);
}

/// Logs a panic as one line like any other, with the fields of the request in which it happened.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(ToString::to_string);
    let remedy = "this is a mistake of the program: report it with this line; the request or the job is tried again";
    tracing::error!(place, cause = message, remedy, "panic");
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
        let (subscriber, _) = subscriber(&info(), true, false, lines);
        tracing::subscriber::with_default(subscriber, || (0..50_000).for_each(|n| tracing::info!(n, "lost")));
        drop(flush_at_end);
        drop(release);
    }

    #[test]
    fn last_lines_are_written_before_the_end() {
        let written = Lines::default();
        let (lines, flush_at_end) = writer::start(written.clone()).unwrap();
        let (subscriber, _) = subscriber(&info(), true, false, lines);
        tracing::subscriber::with_default(subscriber, || (0..500).for_each(|n| tracing::info!(n, "kept")));
        drop(flush_at_end);
        let text = written.text();
        assert!(text.lines().count() == 500 && text.ends_with("}\n"), "{}", text.len());
    }

    #[test]
    fn json_lines_are_flat_and_contain_the_request_span() {
        let lines = Lines::default();
        let (subscriber, _) = subscriber(&info(), true, false, lines.clone());
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
        let (subscriber, _) = subscriber(&info(), false, false, lines.clone());
        tracing::subscriber::with_default(subscriber, || tracing::info!(job_id = "j", "made"));
        assert!(lines.text().contains("made job_id=\"j\""), "{}", lines.text());
    }

    #[test]
    fn filter_is_changed_while_the_process_runs() {
        let lines = Lines::default();
        let (subscriber, filter) = subscriber(&"warn".parse().unwrap(), true, false, lines.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("unseen");
            filter.reload("debug".parse::<LogFilter>().unwrap().directives()).unwrap();
            tracing::debug!("seen");
        });
        assert!(lines.text().contains("seen") && !lines.text().contains("unseen"), "{}", lines.text());
    }
}
