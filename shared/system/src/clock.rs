//! The system clock.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use domain::Timestamp;
use domain::time::millis;
use flow::ports::Clock;

/// About when this program was built (`build.rs`).
pub const BUILT_AT: Timestamp = match i64::from_str_radix(env!("BUILT_AT"), 10) {
    Ok(seconds) => Timestamp::from_secs(seconds),
    Err(_) => panic!("the build script writes a number"),
};

pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    fn now(&self) -> Timestamp {
        // A clock before 1970 was never set: it counts as 1970.
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(millis(since_1970))
    }

    #[expect(clippy::disallowed_methods, reason = "this is where waiting comes in")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_after_november_2023() {
        assert!(SystemClock.now() > Timestamp::from_secs(1_700_000_000));
    }

    #[test]
    fn program_was_built_in_the_past_and_after_november_2023() {
        assert!((Timestamp::from_secs(1_700_000_000)..=SystemClock.now()).contains(&BUILT_AT), "{BUILT_AT}");
    }

    #[tokio::test]
    async fn sleep_takes_at_least_the_given_time() {
        let before = SystemClock.now();
        SystemClock.sleep(Duration::from_millis(5)).await;
        assert!(before.until(SystemClock.now()) >= Duration::from_millis(4));
    }
}
