//! Local times: the caller says how far they are from UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, FixedOffset, NaiveDate, SecondsFormat, Utc};

/// The years 0000 to 9999. Later ones do not fit into RFC 3339.
const LATEST_MS: i64 = 253_402_300_799_999;
const EARLIEST_MS: i64 = -62_167_219_200_000;
const MAX_MINUTES: i16 = 18 * 60;

/// The distance of a local time from UTC. The default is UTC itself.
///
/// ```
/// let offset: formats::UtcOffset = "+05:30".parse()?;
/// assert_eq!((offset.minutes(), offset.to_string()), (330, "UTC+05:30".to_owned()));
/// # Ok::<(), formats::InvalidOffset>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UtcOffset {
    minutes: i16,
}

/// A text that is no offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an offset from UTC such as `+02:00`, `-05:30` or `Z`; it may be at most 18 hours")]
pub struct InvalidOffset(pub String);

impl UtcOffset {
    /// UTC itself.
    pub const UTC: Self = Self { minutes: 0 };

    /// `None` if it is more than 18 hours.
    pub const fn from_minutes(minutes: i16) -> Option<Self> {
        if minutes < -MAX_MINUTES || minutes > MAX_MINUTES { None } else { Some(Self { minutes }) }
    }

    /// Positive east of Greenwich.
    pub const fn minutes(self) -> i16 {
        self.minutes
    }

    /// A time in milliseconds since 1970, at this distance from UTC.
    pub(crate) fn at(self, ms: i64) -> LocalTime {
        let utc = DateTime::<Utc>::from_timestamp_millis(ms.clamp(EARLIEST_MS, LATEST_MS)).unwrap_or_default();
        match FixedOffset::east_opt(i32::from(self.minutes) * 60) {
            Some(offset) => LocalTime(utc.with_timezone(&offset)),
            None => LocalTime(utc.fixed_offset()),
        }
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, minutes) = (if self.minutes < 0 { '-' } else { '+' }, self.minutes.unsigned_abs());
        if minutes == 0 { f.write_str("UTC") } else { write!(f, "UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60) }
    }
}

impl FromStr for UtcOffset {
    type Err = InvalidOffset;

    fn from_str(text: &str) -> Result<Self, InvalidOffset> {
        let wrong = || InvalidOffset(text.chars().take(32).collect());
        let rest = text.strip_prefix("UTC").unwrap_or(text);
        if matches!(rest, "" | "Z" | "z") && !text.is_empty() {
            return Ok(Self::UTC);
        }
        let negative = rest.starts_with('-');
        let digits = rest.strip_prefix(['+', '-']).ok_or_else(wrong)?;
        let (hours, minutes) = match digits.split_once(':') {
            Some(parts) => parts,
            None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
            None => (digits, "00"),
        };
        let number = |text: &str, most: i16| {
            let is_number = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|number: &i16| is_number && *number <= most).ok_or_else(wrong)
        };
        let minutes = number(hours, 18)? * 60 + number(minutes, 59)?;
        Self::from_minutes(if negative { -minutes } else { minutes }).ok_or_else(wrong)
    }
}

/// A time on the clock of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime(DateTime<FixedOffset>);

impl LocalTime {
    pub fn date(self) -> NaiveDate {
        self.0.date_naive()
    }

    pub fn minute(self) -> String {
        self.0.format("%H:%M").to_string()
    }

    pub fn second(self) -> String {
        self.0.format("%H:%M:%S").to_string()
    }

    pub fn rfc3339(self) -> String {
        self.0.to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_is_parsed_in_its_usual_forms() {
        let forms = [("Z", 0), ("UTC", 0), ("+02:00", 120), ("-0330", -210), ("UTC+14:00", 840), ("-05", -300)];
        for (text, minutes) in forms {
            assert_eq!(text.parse::<UtcOffset>().map(UtcOffset::minutes), Ok(minutes), "{text}");
        }
        let shown = "-03:30".parse::<UtcOffset>().unwrap().to_string();
        assert_eq!((shown.as_str(), UtcOffset::UTC.to_string().as_str()), ("UTC-03:30", "UTC"));
    }

    #[test]
    fn wrong_offset_is_refused_with_an_example() {
        for text in ["", "2", "+2", "+19:00", "+18:01", "+02:60", "+é2", "Europe/Berlin", "+02:00:00", "++2:00"] {
            let error = text.parse::<UtcOffset>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("+02:00"), "{error}");
        }
    }

    #[test]
    fn local_time_may_be_on_another_day() {
        let at = |offset: &str| offset.parse::<UtcOffset>().unwrap().at(1_795_133_400_000);
        assert_eq!(at("Z").rfc3339(), "2026-11-20T00:10:00.000Z");
        assert_eq!(at("-08:00").rfc3339(), "2026-11-19T16:10:00.000-08:00");
        assert_eq!((at("-08:00").date().to_string(), at("-08:00").second()), ("2026-11-19".into(), "16:10:00".into()));
    }

    #[test]
    fn times_beyond_all_calendars_are_shown_as_the_last_one() {
        assert_eq!(UtcOffset::UTC.at(i64::MAX).rfc3339(), "9999-12-31T23:59:59.999Z");
        assert_eq!(UtcOffset::UTC.at(i64::MIN).rfc3339(), "0000-01-01T00:00:00.000Z");
    }
}
