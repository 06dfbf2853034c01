//! How long a server asks to wait (R26).

use std::time::{Duration, SystemTime};

use domain::Timestamp;

use super::cooldown::Reason;

/// The wait that `Retry-After` asks for, as a whole number of seconds or as an HTTP date. `None` if it asks for nothing that
/// can be followed: it is missing, zero, negative, past, or garbage.
pub fn requested(header: Option<&str>, now: Timestamp) -> Option<Duration> {
    let text = header?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => Duration::MAX,
        Err(_) => {
            let at = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            now.until(Timestamp::from_millis(domain::time::millis(at)))
        }
    };
    (!wait.is_zero()).then_some(wait)
}

/// The length of a cooldown: what was asked for, within bounds.
pub fn cooldown(header: Option<&str>, reason: Reason, now: Timestamp) -> Duration {
    requested(header, now).unwrap_or(reason.default_wait()).min(reason.longest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r26_retry_after_is_read_in_both_forms_within_bounds() {
        let now = Timestamp::from_secs(1_800_000_000);
        let date =
            |ahead: u64| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + ahead));
        let (fair, rate, busy) = (Reason::FairUse, Reason::RateLimit, Reason::BackendBusy);
        let day = 86_400;
        let cases: [(Option<&str>, Reason, u64); 17] = [
            (Some("1"), rate, 1),
            (Some(" 90 "), rate, 90),
            (Some(&date(120)), rate, 120),
            (Some(&date(0)), rate, 1800),
            (None, rate, 1800),
            (None, fair, 1800),
            (None, busy, 600),
            (Some("0"), rate, 1800),
            (Some("0"), busy, 600),
            (Some("-5"), rate, 1800),
            (Some("soon"), fair, 1800),
            (Some(""), rate, 1800),
            (Some("1.5"), rate, 1800),
            (Some("999999"), rate, day),
            (Some("999999999999999999999999"), rate, day),
            (Some("99999999"), fair, 30 * day),
            (Some("3600"), busy, 600),
        ];
        for (header, reason, seconds) in cases {
            assert_eq!(cooldown(header, reason, now), Duration::from_secs(seconds), "{header:?} {reason:?}");
        }
    }
}
