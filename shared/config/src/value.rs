//! The value of a key: read from a variable or a file, checked, and set.

use std::ops::RangeInclusive;
use std::time::Duration;

use domain::masking::without_credentials;
use edge::telemetry::InvalidLogFilter;
use secrecy::SecretString;
use toml::Value;

use crate::key::{Key, Kind, NO_LIMIT, Unit};
use crate::settings::Config;

impl Key {
    /// Reads a variable's text as the type of the key. What is no such value stays text, so that [`Key::set`] refuses it.
    pub fn read(&self, text: &str) -> Value {
        let trimmed = text.trim();
        let read = match self.kind {
            Kind::Number(..) | Kind::Time(..) => trimmed.parse().map(Value::Integer).ok(),
            Kind::Switch(..) => trimmed.parse().map(Value::Boolean).ok(),
            // Words separated by commas. An empty variable is an empty list.
            Kind::Origins(_) => Some(Value::Array(words(text).map(Value::String).collect())),
            _ => None,
        };
        read.unwrap_or_else(|| Value::String(text.to_owned()))
    }

    /// Checks the value and sets the field of the key. The error names the key and says what it may be.
    pub fn set(&self, config: &mut Config, value: &Value) -> Result<(), String> {
        match (&self.kind, value) {
            (Kind::Number(_, range, _, set), Value::Integer(n)) => set(config, self.within(range, *n)?),
            (Kind::Time(_, range, unit, set), Value::Integer(n)) => set(config, unit.times(self.within(range, *n)?)),
            (Kind::Switch(_, set), Value::Boolean(on)) => set(config, *on),
            (Kind::Choice(_, among, set), Value::String(text)) if among.contains(&text.as_str()) => set(config, text),
            (Kind::Text(_, set) | Kind::Path(set), Value::String(text)) => set(config, text),
            (Kind::Address(_, set), Value::String(text)) => {
                set(config, text.parse().map_err(|_| self.refused(&self.shown(value)))?);
            }
            (Kind::LogFilter(_, set), Value::String(text)) => {
                set(
                    config,
                    text.parse()
                        .map_err(|why: InvalidLogFilter| format!("{} must be {}: {why}", self.name, self.allowed()))?,
                );
            }
            (Kind::Url(set), Value::String(text)) if is_public_url(text) => {
                set(config, text.strip_suffix('/').unwrap_or(text));
            }
            (Kind::Origins(set), Value::Array(list)) => {
                let texts: Option<Vec<_>> = list.iter().map(|one| one.as_str().map(str::to_owned)).collect();
                let texts = texts.ok_or_else(|| self.refused(&self.shown(value)))?;
                let odd = texts.iter().find(|one| !is_origin(one) && (*one != "*" || texts.len() > 1));
                odd.map_or(Ok(()), |odd| Err(self.refused(&format!("`{}`", without_credentials(odd)))))?;
                set(config, &texts);
            }
            (Kind::Secret(set), Value::String(text)) => set(config, SecretString::from(text.as_str())),
            _ => return Err(self.refused(&self.shown(value))),
        }
        Ok(())
    }

    fn within(&self, range: &RangeInclusive<u64>, n: i64) -> Result<u64, String> {
        let bounds = || match *range.end() {
            NO_LIMIT => format!("be at least {}", range.start()),
            most => format!("lie between {} and {most}", range.start()),
        };
        let fit = u64::try_from(n).ok().filter(|n| range.contains(n));
        fit.ok_or_else(|| format!("{} must {}, not {n}{}", self.name, bounds(), self.such_as()))
    }

    fn refused(&self, shown: &str) -> String {
        format!("{} must be {}, not {shown}{}", self.name, self.allowed(), self.such_as())
    }

    fn such_as(&self) -> String {
        match (self.valid_example(), &self.kind) {
            (_, Kind::Choice(..)) => String::new(),
            (example, _) if example.is_empty() => String::new(),
            (example, _) => format!("; such as {example}"),
        }
    }

    /// What the key may be, as the end of "it must be …".
    pub fn allowed(&self) -> String {
        match &self.kind {
            Kind::Number(..) | Kind::Time(..) => format!("a whole number, {}", self.range()),
            Kind::Choice(..) => self.range(),
            Kind::Switch(..) => "true or false".to_owned(),
            Kind::Text(..) => "a text".to_owned(),
            Kind::Path(_) => "a path".to_owned(),
            Kind::LogFilter(..) => "a level, or levels of parts of the program".to_owned(),
            Kind::Address(..) => "HOST:PORT with a numeric host".to_owned(),
            Kind::Url(_) => "an address that begins with http:// or https:// and a host".to_owned(),
            Kind::Origins(_) => {
                "a list of origins, each a scheme, a host, a port if it is not the default one and nothing after them, or `*` \
                 alone"
                    .to_owned()
            }
            Kind::Secret(_) => "a text, which is kept secret".to_owned(),
        }
    }

    /// The range of a number with its unit, or the choices; empty for other types.
    pub fn range(&self) -> String {
        match &self.kind {
            Kind::Number(_, range, unit, _) | Kind::Time(_, range, unit, _) => match *range.end() {
                NO_LIMIT => format!("at least {}{}", range.start(), unit.suffix()),
                most => format!("{} to {most}{}", range.start(), unit.suffix()),
            },
            Kind::Choice(_, among, _) => choices(among),
            _ => String::new(),
        }
    }

    /// The value for an error, of which a secret shows only the type.
    fn shown(&self, value: &Value) -> String {
        match value {
            _ if self.is_secret() => format!("of type {}", value.type_str()),
            Value::String(text) if text.is_empty() => "empty".to_owned(),
            Value::String(text) if self.default().is_none_or(|default| default.is_str()) => {
                format!("`{}`", without_credentials(text))
            }
            Value::String(_) => format!("the text {value}"),
            Value::Table(_) => "a section".to_owned(),
            other => format!("{other}, which is of type {}", other.type_str()),
        }
    }
}

impl Unit {
    /// What stands after a number.
    fn suffix(self) -> &'static str {
        match self {
            Unit::One => "",
            Unit::Bytes => " bytes",
            Unit::Milliseconds => " milliseconds",
            Unit::Seconds => " seconds",
            Unit::Days => " days",
        }
    }

    fn times(self, n: u64) -> Duration {
        match self {
            Unit::Milliseconds => Duration::from_millis(n),
            Unit::Days => Duration::from_secs(n.saturating_mul(86_400)),
            Unit::Seconds | Unit::One | Unit::Bytes => Duration::from_secs(n),
        }
    }
}

/// The words of a text that are separated by commas.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned)
}

/// Whether the text is an origin exactly as browsers send it (RFC 6454), because origins are compared byte by byte.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let in_scheme = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
    let in_host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._:[]".contains(c);
    // Browsers leave the default port out.
    let has_default_port =
        [("https", ":443"), ("http", ":80")].iter().any(|(of, port)| scheme == *of && host.ends_with(port));
    let fits = !scheme.is_empty() && scheme.chars().all(in_scheme) && !host.is_empty() && host.chars().all(in_host);
    fits && !has_default_port
}

fn is_public_url(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let host = host.strip_suffix('/').unwrap_or(host);
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:/%[]".contains(c);
    !host.is_empty() && !host.starts_with(['/', ':']) && host.chars().all(fits)
}

/// `auto`, `text` or `json`. An empty word is called empty.
fn choices(among: &[&str]) -> String {
    let quoted: Vec<_> =
        among.iter().map(|word| if word.is_empty() { "empty".to_owned() } else { format!("`{word}`") }).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
