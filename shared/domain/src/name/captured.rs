//! The capture time in a file name: how it is written, and whether the server accepts it.

use std::time::Duration;

use crate::Timestamp;

/// How far a recorder's clock may be ahead of the server. A recording further ahead is refused until that time has come.
pub const MAX_FUTURE: Duration = Duration::from_secs(300);

/// 2024-01-01T00:00:00Z. An earlier time means that the recorder had no clock and counted from its start or from 1970.
pub const EARLIEST_MS: i64 = 1_704_067_200_000;
/// 9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can write.
const LATEST_MS: i64 = 253_402_300_799_999;
/// A greater number is in milliseconds. In seconds it would be in the year 2286 or later.
const GREATEST_SECONDS: i64 = 10_000_000_000;
/// A number with more digits is not a time and would overflow.
const MAX_DIGITS: usize = 15;

/// Why a text is not a capture time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoMoment {
    NotANumber,
    OutOfRange,
}

/// Reads seconds or milliseconds with an optional fraction. Integers are used, because a float would be off by a
/// millisecond now and then. Anything finer than a millisecond is cut off.
pub(super) fn read(text: &str) -> Result<Timestamp, NoMoment> {
    let (whole, fraction) = text.split_once('.').map_or((text, "0"), |(whole, fraction)| (whole, fraction));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(NoMoment::NotANumber);
    }
    if whole.len() > MAX_DIGITS {
        return Err(NoMoment::OutOfRange);
    }
    let number: i64 = whole.parse().map_err(|_| NoMoment::OutOfRange)?;
    let beyond = fraction.bytes().any(|digit| digit != b'0');
    let ms = if number > GREATEST_SECONDS || (number == GREATEST_SECONDS && beyond) {
        number
    } else {
        number * 1000 + thousandths(fraction)
    };
    if (EARLIEST_MS..=LATEST_MS).contains(&ms) { Ok(Timestamp::from_millis(ms)) } else { Err(NoMoment::OutOfRange) }
}

fn thousandths(fraction: &str) -> i64 {
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
}

/// Writes a time in the shortest form from which [`read`] restores it.
pub(super) fn print(at: Timestamp) -> String {
    let (seconds, ms) = (at.millis().div_euclid(1000), at.millis().rem_euclid(1000));
    match ms {
        _ if at.millis() > GREATEST_SECONDS * 1000 => at.millis().to_string(),
        0 => seconds.to_string(),
        _ => format!("{seconds}.{ms:03}"),
    }
}

/// Why the server does not accept a recording of this time now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapturedError {
    /// The recording is `by` ahead of the server's clock. It can be accepted after that long at the latest.
    #[error("the recording lies {} s ahead of the server's clock", .by.as_secs_f64().ceil())]
    InFuture { by: Duration },
    #[error("the recording is older than the recovery window")]
    TooOld,
}

/// Whether a recording captured at `at` is accepted at `now`: it is at most `max_future` ahead and, if there is a window,
/// not older than the window. Both limits are inclusive.
pub fn check_captured(
    at: Timestamp,
    now: Timestamp,
    max_future: Duration,
    window: Option<Duration>,
) -> Result<(), CapturedError> {
    let by = now.until(at);
    if by > max_future {
        return Err(CapturedError::InFuture { by });
    }
    match window {
        Some(window) if at.until(now) > window => Err(CapturedError::TooOld),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> Result<i64, NoMoment> {
        read(text).map(Timestamp::millis)
    }

    #[test]
    fn seconds_milliseconds_and_fractions_are_distinguished() {
        assert_eq!(ms("1748300000"), Ok(1_748_300_000_000));
        assert_eq!(ms("1748300000.5"), Ok(1_748_300_000_500));
        assert_eq!(ms("1748300000.0019"), Ok(1_748_300_000_001));
        assert_eq!(ms("1748300000123"), Ok(1_748_300_000_123));
        assert_eq!(ms("1748300000123.9"), Ok(1_748_300_000_123));
        assert_eq!(ms("10000000000"), Ok(10_000_000_000_000));
        assert_eq!(ms("10000000000.0"), Ok(10_000_000_000_000));
        assert_eq!(ms("10000000001"), Err(NoMoment::OutOfRange), "in milliseconds that is 1970");
        assert_eq!(ms("10000000000.5"), Err(NoMoment::OutOfRange));
    }

    #[test]
    fn times_outside_of_2024_to_9999_are_refused_to_the_millisecond() {
        assert_eq!(ms("1704067199.999"), Err(NoMoment::OutOfRange));
        assert_eq!(ms("1704067200"), Ok(EARLIEST_MS));
        assert_eq!(ms("1704067200001"), Ok(EARLIEST_MS + 1));
        assert_eq!(ms("253402300799999"), Ok(LATEST_MS));
        assert_eq!(ms("253402300800000"), Err(NoMoment::OutOfRange));
    }

    #[test]
    fn only_plain_decimal_numbers_are_capture_times() {
        for text in ["", ".", "1748300000.", ".5", "-1748300000", "+1748300000", "1e12", "inf", "NaN", "١٧٤٨٣٠٠٠٠٠"]
        {
            assert_eq!(ms(text), Err(NoMoment::NotANumber), "{text}");
        }
        assert_eq!(ms(&"9".repeat(180)), Err(NoMoment::OutOfRange));
    }

    #[test]
    fn printed_time_parses_back() {
        for text in ["1748300000", "1748300000.007", "1748300000.120", "10000000000", "10000000000001"] {
            assert_eq!(print(read(text).unwrap()), text);
        }
    }

    #[test]
    fn recorder_clock_may_be_ahead_by_the_limit_but_not_by_more() {
        let now = Timestamp::from_secs(1_748_300_000);
        let at = |past_limit: i64| Timestamp::from_millis(now.millis() + 300_000 + past_limit);
        assert_eq!(check_captured(at(-1), now, MAX_FUTURE, None), Ok(()));
        assert_eq!(check_captured(at(0), now, MAX_FUTURE, None), Ok(()));
        let by = Duration::from_millis(300_001);
        assert_eq!(check_captured(at(1), now, MAX_FUTURE, None), Err(CapturedError::InFuture { by }));
    }

    #[test]
    fn recording_may_be_as_old_as_the_window_but_not_older() {
        let now = Timestamp::from_secs(1_748_300_000);
        let day = Duration::from_secs(86_400);
        let at = |younger: i64| Timestamp::from_millis(now.millis() - 86_400_000 + younger);
        assert_eq!(check_captured(at(1), now, MAX_FUTURE, Some(day)), Ok(()));
        assert_eq!(check_captured(at(0), now, MAX_FUTURE, Some(day)), Ok(()));
        assert_eq!(check_captured(at(-1), now, MAX_FUTURE, Some(day)), Err(CapturedError::TooOld));
        assert_eq!(check_captured(at(-1), now, MAX_FUTURE, None), Ok(()));
    }
}
