//! Tells an operator when the certificate expires: by a metric, and by a warning once a day when it is near.

use std::time::Duration;

use domain::Timestamp;
use flow::alarm::Alarm;

use super::Certificate;

const EXPIRES: &str = "afterword_tls_certificate_expires_timestamp_seconds";
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long before the end the warnings begin. A certificate that is renewed by itself is renewed earlier.
const NEAR: Duration = Duration::from_secs(14 * 24 * 3600);

/// Whether the certificate has expired. One that cannot be parsed is taken for valid.
pub(super) fn has_expired(certificate: &Certificate, now: Timestamp) -> bool {
    certificate.expires.is_some_and(|expires| now.has_reached(expires))
}

/// Warns once a day.
#[derive(Debug)]
pub struct ExpiryWarning {
    alarm: Alarm,
}

impl Default for ExpiryWarning {
    fn default() -> Self {
        Self { alarm: Alarm::every(DAY) }
    }
}

impl ExpiryWarning {
    /// Sets the metric, and warns if it is time. An expired certificate is served all the same: the clock may be wrong, and
    /// a later renewal then needs no restart.
    pub fn check(&self, certificate: &Certificate, now: Timestamp) {
        let Some(expires) = certificate.expires else { return };
        metrics::describe_gauge!(EXPIRES, "When the TLS certificate in use expires, in seconds since 1970");
        metrics::gauge!(EXPIRES).set(expires.millis() as f64 / 1000.0);
        if !now.has_reached(expires - NEAR) {
            // The certificate was renewed. When it is near its end, that is said at once.
            self.alarm.reset();
        } else if self.alarm.is_time(now) {
            if has_expired(certificate, now) {
                tracing::warn!(%expires, "the TLS certificate has expired: clients will refuse it");
            } else {
                let days = now.until(expires).as_secs() / DAY.as_secs();
                tracing::warn!(%expires, days, "the TLS certificate expires soon");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::tls;
    use super::*;
    use crate::testing::logged;

    #[test]
    fn warning_comes_once_a_day_from_two_weeks_before_the_end() {
        let certificate = tls("server").certificate();
        let expires = certificate.expires.unwrap();
        let warning = ExpiryWarning::default();
        let warned = |now: Timestamp| {
            let text = logged(|| warning.check(&certificate, now));
            assert!(text.lines().count() <= 1, "{text}");
            text
        };
        let hour = Duration::from_secs(3600);
        assert_eq!(warned(expires - NEAR - hour), "");
        let first = warned(expires - NEAR);
        assert!(first.contains("expires soon") && first.contains("\"days\":14"), "{first}");
        assert_eq!(warned(expires - NEAR + 23 * hour), "");
        assert!(warned(expires - NEAR + DAY).contains("\"days\":13"));
        assert!(warned(expires).contains("has expired"));
        assert_eq!(warned(expires + hour), "");
        assert!(warned(expires + DAY).contains("has expired"));
        assert!(warned(expires).contains("has expired"), "a clock that was set back silences nobody");
    }
}
