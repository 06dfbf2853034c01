//! Times as texts in metadata.

use domain::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// `2026-11-20T10:00:00Z`, also with an offset, a space instead of the `T`, or without any zone: then it is the time
/// of the recorder's place, for which that of this computer is taken. A date without a time of day is too coarse.
pub fn time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim().trim_end_matches('\0').trim();
    let with_t = text.replacen(' ', "T", 1);
    if let Ok(at) = with_t.parse::<Timestamp>() {
        return Some(at);
    }
    let has_time = with_t.contains('T') && with_t.contains(':');
    let local: DateTime = with_t.parse().ok().filter(|_| has_time)?;
    let at = local.to_zoned(zone.clone()).ok()?.timestamp();
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_a_zone_are_read_and_dates_alone_are_not() {
        let zone = TimeZone::posix("CET-1").unwrap();
        for (text, at) in [
            ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z"),
            ("2026-11-20 10:00:00.500+02:00\0", "2026-11-20T08:00:00.500Z"),
            ("2026-11-20T10:00:00", "2026-11-20T09:00:00Z"),
            ("2026-11-20 10:00", "2026-11-20T09:00:00Z"),
        ] {
            assert_eq!(time(text, &zone), Some(at.parse().unwrap()), "{text}");
        }
        for text in ["", "2026", "2026-11-20", "20. 11. 2026 10:00", "T:", "2026-13-20T10:00:00Z"] {
            assert_eq!(time(text, &zone), None, "{text}");
        }
    }
}
