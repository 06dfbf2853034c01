//! Times as a person reads and writes them: in the zone of the computer, or in UTC.

use std::time::Duration;

use domain::Timestamp;
use formats::UtcOffset;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, ToSpan, Zoned};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The zone in which times are shown.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    pub fn new(utc: bool) -> Self {
        Self(if utc { TimeZone::UTC } else { TimeZone::system() })
    }

    fn at(&self, time: Timestamp) -> Zoned {
        let clamped = time.millis().clamp(Instant::MIN.as_millisecond(), Instant::MAX.as_millisecond());
        Instant::from_millisecond(clamped).unwrap_or_default().to_zoned(self.0.clone())
    }

    /// `2026-11-20 10:00`.
    pub fn minute(&self, time: Timestamp) -> String {
        self.at(time).strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// `2026-11-20 10:00:00`.
    pub fn second(&self, time: Timestamp) -> String {
        self.at(time).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `10:00`, with the date if it is another day.
    pub fn soon(&self, time: Timestamp, now: Timestamp) -> String {
        let (time, now) = (self.at(time), self.at(now));
        let format = if time.date() == now.date() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
        time.strftime(format).to_string()
    }

    /// How far the zone is from UTC at this time.
    pub fn offset(&self, time: Timestamp) -> UtcOffset {
        let minutes = self.at(time).offset().seconds() / 60;
        i16::try_from(minutes).ok().and_then(UtcOffset::from_minutes).unwrap_or_default()
    }

    /// Start and end of a day.
    pub fn day(&self, day: Day, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let date = match day {
            Day::Today => self.at(now).date(),
            Day::Yesterday => self.at(now).date().yesterday().ok()?,
            Day::Date(date) => date,
        };
        Some((self.midnight(date)?, self.midnight(date.tomorrow().ok()?)?))
    }

    /// The moment from which on something is asked for.
    pub fn since(&self, since: Since, now: Timestamp) -> Option<Timestamp> {
        match since {
            Since::Ago(time) => Some(now - time),
            Since::Day(day) => self.day(day, now).map(|(from, _)| from),
            Since::Moment(at) => Some(at),
        }
    }

    fn midnight(&self, date: Date) -> Option<Timestamp> {
        let start = date.to_zoned(self.0.clone()).ok()?.start_of_day().ok()?;
        Some(Timestamp::from_millis(start.timestamp().as_millisecond()))
    }
}

/// A day as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    Today,
    Yesterday,
    Date(Date),
}

/// A beginning as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    Ago(Duration),
    Day(Day),
    Moment(Timestamp),
}

pub fn parse_day(text: &str) -> Result<Day, String> {
    match text {
        "today" => Ok(Day::Today),
        "yesterday" => Ok(Day::Yesterday),
        _ => {
            let date = Date::strptime("%Y-%m-%d", text).ok().filter(|date| date.checked_add(1.day()).is_ok());
            date.map(Day::Date).ok_or_else(|| "a day is `today`, `yesterday` or a date such as 2026-11-20".to_owned())
        }
    }
}

pub fn parse_since(text: &str) -> Result<Since, String> {
    if let Ok(day) = parse_day(text) {
        return Ok(Since::Day(day));
    }
    if let Ok(moment) = text.parse() {
        return Ok(Since::Moment(moment));
    }
    let wrong = || "a beginning is a time ago such as 90m, 12h or 7d, a day, or 2026-11-20T10:00:00Z".to_owned();
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..at].parse().map_err(|_| wrong())?;
    let unit = match &text[at..] {
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).map(Duration::from_secs).map(Since::Ago).ok_or_else(wrong)
}

/// A length of time in its two largest units: `2 d 3 h`, `12 min`, `40 s`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |large: u64, name: &str, small: u64, small_name: &str| {
        let rest = seconds % large / small;
        let first = format!("{} {name}", seconds / large);
        if rest == 0 { first } else { format!("{first} {rest} {small_name}") }
    };
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => two(MINUTE, "min", 1, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "min"),
        _ => two(DAY, "d", HOUR, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn berlin() -> Zone {
        Zone(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap())
    }

    #[test]
    fn times_are_shown_in_the_zone() {
        let at = time("2026-07-01T22:30:05Z");
        assert_eq!(berlin().minute(at), "2026-07-02 00:30");
        assert_eq!((Zone::new(true).second(at), berlin().offset(at).minutes()), ("2026-07-01 22:30:05".into(), 120));
        assert_eq!(berlin().offset(time("2026-12-01T00:00:00Z")).minutes(), 60);
        assert_eq!(berlin().soon(at, time("2026-07-01T23:00:00Z")), "00:30");
        assert_eq!(berlin().soon(at, time("2026-07-01T21:00:00Z")), "2026-07-02 00:30");
    }

    #[test]
    fn day_of_a_clock_change_has_23_or_25_hours() {
        for (date, hours) in [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)] {
            let (from, to) = berlin().day(parse_day(date).unwrap(), time("2026-12-01T00:00:00Z")).unwrap();
            assert_eq!(from.until(to), Duration::from_secs(hours * HOUR), "{date}");
        }
        let now = time("2026-12-01T23:30:00Z");
        let (from, _) = berlin().day(Day::Today, now).unwrap();
        assert_eq!(from, time("2026-12-01T23:00:00Z"), "in Berlin it is the next day");
        let (_, to) = berlin().day(Day::Yesterday, now).unwrap();
        assert_eq!(to, from);
    }

    #[test]
    fn beginning_is_a_time_ago_a_day_or_a_moment() {
        let now = time("2026-12-01T12:00:00Z");
        for (text, at) in [
            ("90m", "2026-12-01T10:30:00Z"),
            ("12h", "2026-12-01T00:00:00Z"),
            ("7d", "2026-11-24T12:00:00Z"),
            ("yesterday", "2026-11-30T00:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00Z"),
        ] {
            assert_eq!(Zone::new(true).since(parse_since(text).unwrap(), now), Some(time(at)), "{text}");
        }
        for wrong in ["", "7", "d", "-1d", "2026-13-01", "99999999999999999999d", "tomorrow", "5w"] {
            assert!(parse_since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn spans_have_two_units() {
        for (seconds, shown) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (754, "12 min 34 s"), (7260, "2 h 1 min"), (183_600, "2 d 3 h")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), shown);
        }
    }
}
