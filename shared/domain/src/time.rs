//! Timestamps in whole milliseconds since 1970, written as RFC 3339 in UTC. The clock itself is a port of `flow`.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

const HOUR_MS: i64 = 3_600_000;
/// The years 0000 to 9999, which RFC 3339 can write.
const EARLIEST_MS: i64 = -62_167_219_200_000;
const LATEST_MS: i64 = 253_402_300_799_999;

impl Timestamp {
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    pub const fn from_secs(secs: i64) -> Self {
        Self(secs * 1000)
    }

    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The start of the hour that contains this time. It is the key of a usage bucket.
    pub const fn hour(self) -> Self {
        Self(self.0 - self.0.rem_euclid(HOUR_MS))
    }

    /// The time until `later`; zero if it is not later.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// Whether a deadline is over: it is over as soon as it is reached (`now >= deadline`).
    pub const fn has_reached(self, deadline: Self) -> bool {
        self.0 >= deadline.0
    }
}

/// A duration in milliseconds. It saturates, because configuration may contain absurd durations.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)).min(LATEST_MS))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)).max(EARLIEST_MS))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or_default();
        f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an RFC 3339 time such as 2026-11-20T10:00:00Z")]
pub struct NotATime(pub String);

impl FromStr for Timestamp {
    type Err = NotATime;
    fn from_str(text: &str) -> Result<Self, NotATime> {
        let wrong = || NotATime(text.chars().take(64).collect());
        let at = DateTime::parse_from_rfc3339(text).map_err(|_| wrong())?.timestamp_millis();
        // With an offset, the time can lie outside of the years that can be written.
        if (EARLIEST_MS..=LATEST_MS).contains(&at) { Ok(Self(at)) } else { Err(wrong()) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_is_written_in_utc_with_milliseconds() {
        let at: Timestamp = "2026-11-20T12:00:00.5+02:00".parse().unwrap();
        assert_eq!(at.to_string(), "2026-11-20T10:00:00.500Z");
        assert_eq!(at.hour().to_string(), "2026-11-20T10:00:00.000Z");
    }

    #[test]
    fn every_parsed_timestamp_can_be_written_and_parsed_again() {
        assert!("0000-01-01T00:00:00+23:59".parse::<Timestamp>().is_err());
        let last = Timestamp::from_millis(0) + Duration::MAX;
        assert_eq!(last.to_string().parse::<Timestamp>().unwrap(), last);
        let first = Timestamp::from_millis(0) - Duration::MAX;
        assert_eq!(first.to_string().parse::<Timestamp>().unwrap(), first);
    }

    #[test]
    fn deadline_is_over_as_soon_as_it_is_reached() {
        let deadline = Timestamp::from_millis(1000);
        for (now, over) in [(999, false), (1000, true), (1001, true)] {
            assert_eq!(Timestamp::from_millis(now).has_reached(deadline), over);
        }
    }
}
