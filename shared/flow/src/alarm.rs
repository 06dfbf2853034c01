//! A limit on errors in the log that concern a whole instance: one a minute, however many jobs meet the same trouble.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Timestamp;

const EVERY: Duration = Duration::from_secs(60);

/// When the last error was logged. It is kept in memory only, because it merely saves log lines.
#[derive(Default)]
pub struct Alarm {
    logged_at: Mutex<Option<Timestamp>>,
}

impl Alarm {
    /// Whether it is time to log an error. If so, it counts as logged now.
    pub fn is_time(&self, now: Timestamp) -> bool {
        // A plain time, which stays valid after a panic elsewhere.
        let mut logged_at = self.logged_at.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back does not silence the alarm.
        let recent = logged_at.is_some_and(|at| at <= now && !now.has_reached(at + EVERY));
        if !recent {
            *logged_at = Some(now);
        }
        !recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarm_is_raised_once_a_minute_and_again_after_the_clock_was_set_back() {
        let (alarm, now) = (Alarm::default(), Timestamp::from_secs(1_000_000));
        assert!(alarm.is_time(now));
        assert!(!alarm.is_time(now + (EVERY - Duration::from_millis(1))));
        assert!(alarm.is_time(now + EVERY));
        assert!(alarm.is_time(now));
    }
}
