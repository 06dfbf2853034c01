//! A limit on log lines that repeat themselves: one in a given time, however often the same trouble is met.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Timestamp;

const MINUTE: Duration = Duration::from_secs(60);

/// When the last line was logged. It is kept in memory only, because it merely saves log lines. The default allows a line
/// a minute.
#[derive(Debug)]
pub struct Alarm {
    every: Duration,
    logged_at: Mutex<Option<Timestamp>>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self::every(MINUTE)
    }
}

impl Alarm {
    pub fn every(period: Duration) -> Self {
        Self { every: period, logged_at: Mutex::default() }
    }

    /// Whether it is time to log a line. If so, it counts as logged now.
    pub fn is_time(&self, now: Timestamp) -> bool {
        // A plain time, which stays valid after a panic elsewhere.
        let mut logged_at = self.logged_at.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = logged_at.is_some_and(|at| is_recent(at, now, self.every));
        if !recent {
            *logged_at = Some(now);
        }
        !recent
    }

    /// Forgets the last line: the next trouble is a new one, and is logged at once.
    pub fn reset(&self) {
        *self.logged_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Whether something was logged so shortly before that it is not logged again. A time in the future is not recent: a clock
/// that was set back silences nobody.
pub(crate) fn is_recent(at: Timestamp, now: Timestamp, every: Duration) -> bool {
    at <= now && !now.has_reached(at + every)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarm_is_raised_once_in_its_period_and_again_after_the_clock_was_set_back() {
        let hour = Duration::from_secs(3600);
        for (alarm, every) in [(Alarm::default(), MINUTE), (Alarm::every(hour), hour)] {
            let now = Timestamp::from_secs(1_000_000);
            assert!(alarm.is_time(now));
            assert!(!alarm.is_time(now + (every - Duration::from_millis(1))));
            assert!(alarm.is_time(now + every));
            assert!(alarm.is_time(now));
        }
    }

    #[test]
    fn alarm_that_was_reset_is_raised_at_once() {
        let (alarm, now) = (Alarm::default(), Timestamp::from_secs(1_000_000));
        assert!(alarm.is_time(now) && !alarm.is_time(now));
        alarm.reset();
        assert!(alarm.is_time(now));
    }
}
