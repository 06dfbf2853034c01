//! Retries an operation whose answer was lost or whose service was briefly unavailable. This is safe, because every
//! operation of every port recognises that it was done before.

use std::time::Duration;

use crate::error::{Error, Kind, Result, Retry};
use crate::ports::Clock;

/// How often and how long something is tried.
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// The most tries, including the first.
    pub tries: u32,
    /// The time limit of all tries together, including the pauses.
    pub total: Duration,
    /// The pause before the second try; it doubles with each further one.
    pub first_pause: Duration,
    pub longest_pause: Duration,
}

/// For calls of ports whose adapter does not retry itself. The adapter limits the time of each try. All of it together
/// stays far below a lease.
const IN_PLACE: RetryPolicy = RetryPolicy {
    tries: 3,
    total: Duration::from_secs(20),
    first_pause: Duration::from_millis(50),
    longest_pause: Duration::from_secs(2),
};

impl RetryPolicy {
    /// How long to wait before the next try; `None` if there is none. `unit` lies between 0 and 1 and is drawn by chance,
    /// so that calls that failed together do not come back together.
    pub fn pause(&self, tried: u32, error: &Error, unit: f64) -> Option<Duration> {
        let requested = error.retry_after.unwrap_or_default();
        let helps = error.kind.retry() == Retry::Soon && !error.was_retried;
        if !helps || tried >= self.tries || requested > self.longest_pause {
            return None;
        }
        let doubled = self.first_pause.saturating_mul(1 << tried.saturating_sub(1).min(16));
        Some(doubled.min(self.longest_pause).mul_f64(0.5 + unit / 2.0).max(requested))
    }
}

/// The error of the last try. If an earlier try may have acted, the outcome is unknown. `Conflict` and `Corrupt` describe what
/// is stored, so they stay.
pub fn with_doubt(error: Error, in_doubt: bool) -> Error {
    let is_certain = matches!(error.kind, Kind::Conflict | Kind::Corrupt);
    if in_doubt && !is_certain { Error { kind: Kind::Unknown, ..error } } else { error }
}

/// Runs `operation` until it succeeds, at most three times. An error that a retry cannot help is returned at once.
pub async fn with_retries<T, F>(clock: &dyn Clock, mut operation: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let (began, mut tried, mut in_doubt) = (clock.now(), 0, false);
    loop {
        tried += 1;
        let error = match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let has_time = |pause: &Duration| began.until(clock.now()) + *pause < IN_PLACE.total;
        let Some(pause) = IN_PLACE.pause(tried, &error, 1.0).filter(has_time) else {
            return Err(with_doubt(error, in_doubt));
        };
        tracing::debug!(%error, "retrying an operation");
        in_doubt |= error.kind == Kind::Unknown;
        clock.sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use domain::Timestamp;

    use super::*;

    #[tokio::test]
    async fn retry_after_above_the_limit_is_not_retried() {
        for (wait, tries) in [(2, 3), (3, 1)] {
            let calls = std::cell::Cell::new(0);
            let busy = || {
                calls.set(calls.get() + 1);
                async { Err::<(), _>(Error::new(Kind::Throttled, "x", "").after(Duration::from_secs(wait))) }
            };
            let error = with_retries(&NoTime, busy).await.unwrap_err();
            assert_eq!((error.retry_after, calls.get()), (Some(Duration::from_secs(wait)), tries));
        }
    }

    #[tokio::test]
    async fn call_that_its_adapter_has_retried_is_not_retried_again() {
        let calls = std::cell::Cell::new(0);
        let exhausted = || {
            calls.set(calls.get() + 1);
            async { Err::<(), _>(Error::new(Kind::Unavailable, "x", "").after_retries()) }
        };
        assert_eq!(with_retries(&NoTime, exhausted).await.unwrap_err().kind, Kind::Unavailable);
        assert_eq!(calls.get(), 1);
    }

    /// A clock whose waits end at once.
    struct NoTime;

    #[async_trait]
    impl Clock for NoTime {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }

        async fn sleep(&self, _: Duration) {}
    }

    async fn end_of(kinds: &[Kind]) -> (Result<()>, usize) {
        let mut left = kinds.iter();
        let answer = with_retries(&NoTime, || {
            let answer = left.next().map_or(Ok(()), |kind| Err(Error::new(*kind, "store.create_job", "x")));
            async { answer }
        });
        let answer = answer.await;
        (answer, kinds.len() - left.len())
    }

    #[tokio::test]
    async fn unknown_outcome_stays_unknown_whatever_error_follows() {
        for kinds in [[Kind::Unknown, Kind::Unavailable, Kind::Full], [Kind::Unknown, Kind::Invalid, Kind::Invalid]] {
            assert_eq!(end_of(&kinds).await.0.unwrap_err().kind, Kind::Unknown, "{kinds:?}");
        }
        let (answer, _) = end_of(&[Kind::Unavailable, Kind::Throttled, Kind::Full]).await;
        assert_eq!(answer.unwrap_err().kind, Kind::Full);
    }

    #[tokio::test]
    async fn permanent_error_is_not_retried_and_a_late_success_counts() {
        let (answer, tries) = end_of(&[Kind::Conflict, Kind::Conflict, Kind::Conflict]).await;
        assert_eq!((answer.unwrap_err().kind, tries), (Kind::Conflict, 1));
        assert!(end_of(&[Kind::Unknown, Kind::Unavailable]).await.0.is_ok());
    }
}
