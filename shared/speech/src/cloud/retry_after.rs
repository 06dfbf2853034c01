//! Reads how long a provider asks to wait.

use std::time::{Duration, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// The longest wait that is accepted. Even if a provider asks for more, it is called again after a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Reads seconds or a date (RFC 9110, 10.2.3). A date is compared with the provider's clock if the response has a `Date`.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = httpdate::parse_http_date(text).ok()?;
            let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
            at.duration_since(date.unwrap_or_else(now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST))
}

#[expect(clippy::disallowed_methods, reason = "a date of another machine means something only beside this one's")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(pairs: &[(&str, &str)]) -> Option<Duration> {
        let name = |name: &str| reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap();
        retry_after(&pairs.iter().map(|(key, value)| (name(key), value.parse().unwrap())).collect())
    }

    #[test]
    fn seconds_and_dates_are_parsed_and_limited() {
        let secs = Duration::from_secs;
        assert_eq!(parsed(&[("retry-after", "17")]), Some(secs(17)));
        assert_eq!(parsed(&[("retry-after", "99999999999")]), Some(LONGEST));
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(parsed(&[date, ("retry-after", "Wed, 21 Oct 2026 07:30:00 GMT")]), Some(secs(120)));
        assert_eq!(parsed(&[date, ("retry-after", "Wed, 21 Oct 2026 07:00:00 GMT")]), Some(secs(0)));
        assert_eq!(parsed(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]), Some(secs(0)));
        let later = httpdate::fmt_http_date(now() + secs(600));
        assert!(parsed(&[("retry-after", &later)]).is_some_and(|wait| (secs(590)..=secs(600)).contains(&wait)));
        for nonsense in ["soon", "-1", "1.5", ""] {
            assert_eq!(parsed(&[("retry-after", nonsense)]), None, "{nonsense}");
        }
        assert_eq!(parsed(&[]), None);
    }
}
