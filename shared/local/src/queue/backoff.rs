//! How long a task waits after a failed delivery: the schedule of Cloud Tasks, plus a little jitter.

use std::time::Duration;

use super::settings::QueueSettings;

/// The largest share that is added to a wait, so that tasks that failed together do not come back
/// together.
const JITTER: f64 = 0.2;

/// The wait after `failures` failed deliveries (at least one). It starts at `min_backoff`, doubles `max_doublings`
/// times, then grows by equal steps of the last doubling, up to `max_backoff`:
/// <https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues#RetryConfig>
pub fn wait(settings: &QueueSettings, failures: u32, unit: f64) -> Duration {
    let base = growth(settings.max_doublings, failures.saturating_sub(1));
    let base = u32::try_from(base).ok().and_then(|times| settings.min_backoff.checked_mul(times));
    let base = base.unwrap_or(settings.max_backoff).min(settings.max_backoff);
    base.mul_f64(1.0 + JITTER * unit.clamp(0.0, 1.0)).min(settings.max_backoff)
}

/// The wait that the worker asked for, at most `max_backoff`. Zero counts as no wish.
pub fn requested_wait(settings: &QueueSettings, retry_after: Option<Duration>) -> Option<Duration> {
    retry_after.filter(|wait| !wait.is_zero()).map(|wait| wait.min(settings.max_backoff))
}

/// The wait before a retry as a multiple of `min_backoff`.
fn growth(doublings: u32, retries: u32) -> u64 {
    let power = |exponent: u32| 1_u64.checked_shl(exponent).unwrap_or(u64::MAX);
    if retries <= doublings {
        return power(retries);
    }
    power(doublings).saturating_mul(u64::from(retries - doublings) + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;

    fn settings(min: u64, max: u64, max_doublings: u32) -> QueueSettings {
        QueueSettings {
            min_backoff: Duration::from_secs(min),
            max_backoff: Duration::from_secs(max),
            max_doublings,
            ..QueueSettings::new("http://127.0.0.1/", SecretString::from(""))
        }
    }

    fn seconds(settings: &QueueSettings, count: u32) -> Vec<u64> {
        (1..=count).map(|failures| wait(settings, failures, 0.0).as_secs()).collect()
    }

    #[test]
    fn wait_grows_as_documented_by_cloud_tasks() {
        // The example in the documentation of Cloud Tasks.
        assert_eq!(seconds(&settings(10, 300, 3), 8), [10, 20, 40, 80, 160, 240, 300, 300]);
        assert_eq!(seconds(&settings(5, 300, 5), 8), [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(seconds(&settings(1, 300, 0), 5), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn requested_wait_is_limited() {
        let settings = settings(5, 300, 5);
        let ask = |secs| requested_wait(&settings, Some(Duration::from_secs(secs))).map(|wait| wait.as_secs());
        assert_eq!([ask(0), ask(1), ask(300), ask(301)], [None, Some(1), Some(300), Some(300)]);
        assert_eq!(requested_wait(&settings, None), None);
    }

    proptest! {
        #[test]
        fn every_wait_is_within_limits(
            min in 1_u64..100, more in 0_u64..1000, doublings: u32, failures: u32, unit in 0.0..1.0_f64,
        ) {
            let settings = settings(min, min + more, doublings);
            let wait = wait(&settings, failures, unit);
            prop_assert!(settings.min_backoff <= wait && wait <= settings.max_backoff, "{wait:?}");
        }
    }
}
