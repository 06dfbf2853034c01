//! One key of the configuration: its name, type, default, range and comment, and the field of [`Config`] that it sets.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use edge::telemetry::LogFilter;
use secrecy::SecretString;
use toml::Value;

use crate::settings::Config;

pub const ENV_PREFIX: &str = "AFTERWORD_";
/// The end of a range without a limit: the largest number of a TOML file.
pub const NO_LIMIT: u64 = i64::MAX as u64;

/// A text of the list, which is part of the program.
type Text = &'static str;
/// The smallest and the largest value.
type Range = RangeInclusive<u64>;

/// What is known about a key.
#[derive(Debug)]
pub struct Key {
    /// `section.key`, as in `jobs.lease_seconds` or `engine.http.url`.
    pub name: Text,
    /// Sentences for the reader of the default file and of the documentation.
    pub comment: Text,
    /// A valid value, for keys whose default does not show one.
    pub example: Text,
    pub kind: Kind,
}

/// The type of a key: its default, what else it may be, and the way into the typed settings. An address from outside and a
/// secret have no default, because a missing secret and an empty one are different errors; the default origins are none.
#[derive(Debug)]
pub enum Kind {
    Number(u64, Range, Unit, fn(&mut Config, u64)),
    Time(u64, Range, Unit, fn(&mut Config, Duration)),
    Switch(bool, fn(&mut Config, bool)),
    Choice(Text, &'static [Text], fn(&mut Config, &str)),
    Text(Text, fn(&mut Config, &str)),
    Path(fn(&mut Config, &str)),
    Address(Text, fn(&mut Config, SocketAddr)),
    LogFilter(Text, fn(&mut Config, LogFilter)),
    Url(fn(&mut Config, &str)),
    Origins(fn(&mut Config, &[String])),
    Secret(fn(&mut Config, SecretString)),
}

#[derive(Clone, Copy, Debug)]
pub enum Unit {
    One,
    Bytes,
    Milliseconds,
    Seconds,
    Days,
}

/// Constructors for the list of keys.
impl Key {
    pub const fn number(name: Text, default: u64, range: Range, set: fn(&mut Config, u64)) -> Self {
        Self::new(name, Kind::Number(default, range, Unit::One, set))
    }

    pub const fn bytes(name: Text, default: u64, range: Range, set: fn(&mut Config, u64)) -> Self {
        Self::new(name, Kind::Number(default, range, Unit::Bytes, set))
    }

    pub const fn time(name: Text, default: u64, range: Range, unit: Unit, set: fn(&mut Config, Duration)) -> Self {
        Self::new(name, Kind::Time(default, range, unit, set))
    }

    pub const fn seconds(name: Text, default: u64, range: Range, set: fn(&mut Config, Duration)) -> Self {
        Self::time(name, default, range, Unit::Seconds, set)
    }

    pub const fn switch(name: Text, default: bool, set: fn(&mut Config, bool)) -> Self {
        Self::new(name, Kind::Switch(default, set))
    }

    pub const fn choice(name: Text, default: Text, among: &'static [Text], set: fn(&mut Config, &str)) -> Self {
        Self::new(name, Kind::Choice(default, among, set))
    }

    pub const fn text(name: Text, default: Text, set: fn(&mut Config, &str)) -> Self {
        Self::new(name, Kind::Text(default, set))
    }

    pub const fn path(name: Text, set: fn(&mut Config, &str)) -> Self {
        Self::new(name, Kind::Path(set))
    }

    pub const fn address(name: Text, default: Text, set: fn(&mut Config, SocketAddr)) -> Self {
        Self::new(name, Kind::Address(default, set))
    }

    pub const fn log_filter(name: Text, default: Text, set: fn(&mut Config, LogFilter)) -> Self {
        Self::new(name, Kind::LogFilter(default, set))
    }

    pub const fn url(name: Text, set: fn(&mut Config, &str)) -> Self {
        Self::new(name, Kind::Url(set))
    }

    pub const fn origins(name: Text, set: fn(&mut Config, &[String])) -> Self {
        Self::new(name, Kind::Origins(set))
    }

    pub const fn secret(name: Text, set: fn(&mut Config, SecretString)) -> Self {
        Self::new(name, Kind::Secret(set))
    }

    const fn new(name: Text, kind: Kind) -> Self {
        Self { name, comment: "", example: "", kind }
    }

    #[must_use]
    pub const fn comment(self, comment: Text) -> Self {
        Self { comment, ..self }
    }

    #[must_use]
    pub const fn example(self, example: Text) -> Self {
        Self { example, ..self }
    }
}

impl Key {
    pub fn section(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The name within its section.
    pub fn short_name(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(_, name)| name)
    }

    /// The environment variable that sets the key: `jobs.lease_seconds` is AFTERWORD_JOBS_LEASE_SECONDS.
    pub fn variable(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.replace('.', "_").to_uppercase())
    }

    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret(_))
    }

    /// The default as it stands in a file; `None` if the key has none.
    pub fn default(&self) -> Option<Value> {
        Some(match self.kind {
            // Every default is far below the largest number of a TOML file; a test sets each of them.
            Kind::Number(default, ..) | Kind::Time(default, ..) => Value::Integer(default as i64),
            Kind::Switch(default, _) => Value::Boolean(default),
            Kind::Choice(default, ..)
            | Kind::Text(default, _)
            | Kind::Address(default, _)
            | Kind::LogFilter(default, _) => default.into(),
            Kind::Path(_) => "".into(),
            Kind::Origins(_) => Value::Array(Vec::new()),
            Kind::Url(_) | Kind::Secret(_) => return None,
        })
    }

    /// A valid value as a person would write it into a variable; empty if nothing is more helpful than the name.
    pub fn valid_example(&self) -> String {
        match self.default() {
            _ if !self.example.is_empty() => self.example.to_owned(),
            Some(Value::String(text)) => text,
            Some(value @ Value::Integer(_)) => value.to_string(),
            _ => String::new(),
        }
    }
}
