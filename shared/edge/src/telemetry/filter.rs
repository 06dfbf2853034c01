//! Which lines are logged: a level for all of them, and levels for single parts of the program.

use std::fmt;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, LevelFilter};

/// The levels in the order of how much they log.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Parts that are silent unless the filter names them. This library logs an error for each call that takes too long. The
/// adapters report such calls themselves, after their retries, and with the operation.
const SILENCED: &str = "gcloud_sdk=off";

/// A level such as `info`, or a list such as `info,flow=debug`. Without a level of its own a part logs errors only.
///
/// A single word has to be a level. `EnvFilter` would take a misspelt one for the name of a part, and log nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLogFilter {
    #[error("it is empty; the levels are {all}", all = levels())]
    Empty,
    #[error("`{0}` is no level; the levels are {all}", all = levels())]
    NoLevel(String),
    #[error("`{0}` is neither a level nor a part of the program with its level, such as flow=debug")]
    Unreadable(String),
}

fn levels() -> String {
    LEVELS.join(", ")
}

impl FromStr for LogFilter {
    type Err = InvalidLogFilter;

    fn from_str(text: &str) -> Result<Self, InvalidLogFilter> {
        let parts: Vec<_> = text.split(',').map(str::trim).collect();
        if parts.iter().all(|part| part.is_empty()) {
            return Err(InvalidLogFilter::Empty);
        }
        parts.iter().try_for_each(|part| check(part))?;
        Ok(Self(parts.join(",")))
    }
}

fn check(part: &str) -> Result<(), InvalidLogFilter> {
    let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
    if level.parse::<LevelFilter>().is_err() || level.is_empty() {
        return Err(InvalidLogFilter::NoLevel(level.to_owned()));
    }
    part.parse::<Directive>().map(drop).map_err(|_| InvalidLogFilter::Unreadable(part.to_owned()))
}

impl LogFilter {
    pub(super) fn directives(&self) -> EnvFilter {
        // Parts without a level log their errors. A level for all of them, which may follow, replaces this one.
        // Every directive was read when this value was made. A later one for the same part wins.
        EnvFilter::builder().parse_lossy(format!("error,{SILENCED},{}", self.0))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<LogFilter>().expect_err(text).to_string()
    }

    #[test]
    fn levels_and_levels_of_parts_are_read() {
        for (text, read) in [
            ("info", "info"),
            (" warn ", "warn"),
            ("INFO", "INFO"),
            ("off", "off"),
            ("info, flow=debug", "info,flow=debug"),
            ("warn,gcp::firestore=trace", "warn,gcp::firestore=trace"),
            ("flow[delivery]=debug", "flow[delivery]=debug"),
        ] {
            assert_eq!(text.parse::<LogFilter>().map(|filter| filter.to_string()).as_deref(), Ok(read), "{text}");
        }
    }

    /// The parts and levels of which lines are logged, such as `edge:WARN`.
    fn logged(filter: &str) -> Vec<String> {
        let lines = crate::testing::Lines::default();
        let (subscriber, _) = crate::telemetry::subscriber(&filter.parse().unwrap(), true, false, lines.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "edge", remedy = "none", "");
            tracing::warn!(target: "edge", "");
            tracing::info!(target: "edge", "");
            tracing::error!(target: "flow::sweep", remedy = "none", "");
            tracing::warn!(target: "flow::sweep", "");
            tracing::debug!(target: "flow::sweep", "");
        });
        let lines = lines.text();
        let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let short = |line: serde_json::Value| {
            format!("{}:{}", line["target"].as_str().unwrap(), line["level"].as_str().unwrap())
        };
        lines.lines().map(read).map(short).collect()
    }

    #[test]
    fn part_without_a_level_logs_its_errors_unless_a_level_for_all_says_otherwise() {
        for (filter, expected) in [
            ("flow=debug", &["edge:ERROR", "flow::sweep:ERROR", "flow::sweep:WARN", "flow::sweep:DEBUG"][..]),
            ("warn", &["edge:ERROR", "edge:WARN", "flow::sweep:ERROR", "flow::sweep:WARN"]),
            ("error", &["edge:ERROR", "flow::sweep:ERROR"]),
            ("off", &[]),
            ("edge=off", &["flow::sweep:ERROR"]),
            ("flow=warn,off", &["flow::sweep:ERROR", "flow::sweep:WARN"]),
            ("info,edge=error", &["edge:ERROR", "flow::sweep:ERROR", "flow::sweep:WARN"]),
        ] {
            assert_eq!(logged(filter), expected, "{filter}");
        }
    }

    #[test]
    fn misspelt_level_is_refused_with_all_levels() {
        for word in ["warning", "verbose", "inof", "info;debug", "loud", "flow"] {
            let expected = format!("`{word}` is no level; the levels are off, error, warn, info, debug, trace");
            assert_eq!(refused(word), expected);
            assert_eq!(refused(&format!("info,{word}")), expected);
            assert_eq!(refused(&format!("info,flow={word}")), expected);
        }
        for text in ["", " ", ","] {
            assert_eq!(refused(text), "it is empty; the levels are off, error, warn, info, debug, trace", "{text:?}");
        }
        assert!(refused("info,").contains("is no level"));
        assert!(refused("a=b=info").starts_with("`a=b=info` is neither"), "{}", refused("a=b=info"));
    }
}
