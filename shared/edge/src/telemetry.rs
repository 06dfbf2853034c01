//! Logging to standard error: readable lines on a terminal, JSON lines anywhere else.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    Text,
    Json,
}

/// What is logged, and how. `filter` has the syntax of `tracing`: `info`, or `info,edge=debug`.
#[derive(Clone, Debug)]
pub struct Telemetry {
    pub filter: String,
    pub format: Format,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: Format::Auto }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the log filter `{filter}` cannot be read ({why}): write a level such as `info`, or `info,edge=debug`")]
pub struct UnreadableFilter {
    filter: String,
    why: String,
}

/// Sets up logging for the process. A second call changes nothing, so that several servers can run in one process.
pub fn init(telemetry: &Telemetry) -> Result<(), UnreadableFilter> {
    let json = match telemetry.format {
        Format::Auto => !io::stderr().is_terminal(),
        Format::Text => false,
        Format::Json => true,
    };
    let subscriber = subscriber(filter(&telemetry.filter)?, json, io::stderr);
    if subscriber.try_init().is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

fn filter(text: &str) -> Result<EnvFilter, UnreadableFilter> {
    EnvFilter::builder().parse(text).map_err(|why| UnreadableFilter { filter: text.to_owned(), why: why.to_string() })
}

type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

fn subscriber<W>(filter: EnvFilter, json: bool, writer: W) -> Subscriber
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = fmt().with_env_filter(filter).with_writer(writer);
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

    #[test]
    fn invalid_filter_is_reported_in_one_line() {
        let error = filter("info,edge=loud").unwrap_err().to_string();
        assert!(error.starts_with("the log filter `info,edge=loud` cannot be read"), "{error}");
        assert!(!error.contains('\n'), "{error}");
        assert!(filter("").is_ok() && filter("warn").is_ok());
    }

    #[test]
    fn json_lines_are_flat_and_contain_the_request_span() {
        let lines = Lines::default();
        let subscriber = subscriber(filter("info").unwrap(), true, lines.clone());
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
    fn text_lines_are_readable() {
        let lines = Lines::default();
        let subscriber = subscriber(filter("info").unwrap(), false, lines.clone());
        tracing::subscriber::with_default(subscriber, || tracing::info!(job_id = "j", "made"));
        assert!(lines.text().contains("made job_id=\"j\""), "{}", lines.text());
    }
}
