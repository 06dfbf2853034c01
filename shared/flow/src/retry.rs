//! Retries an operation whose answer was lost or whose service was briefly unavailable. This is safe, because every
//! operation of every port recognises that it was done before.

use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::ports::Clock;

/// The number of tries, including the first one.
const TRIES: u32 = 3;
/// The first pause; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);
/// If a service asks for a longer wait, the operation is not retried here.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Runs `operation` until it succeeds, at most three times. An error that a retry cannot help is returned at once.
pub async fn with_retries<T, F>(clock: &dyn Clock, mut operation: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let (mut pause, mut in_doubt) = (PAUSE, false);
    for _ in 1..TRIES {
        match operation().await {
            Err(error) if worth_repeating(&error) => {
                tracing::debug!(%error, "retrying an operation");
                in_doubt |= error.kind == Kind::Unknown;
                clock.sleep(pause).await;
                pause *= 2;
            }
            answer => return keep_doubt(answer, in_doubt),
        }
    }
    keep_doubt(operation().await, in_doubt)
}

/// After a try that may have acted, a later failure does not prove that nothing happened.
fn keep_doubt<T>(answer: Result<T>, in_doubt: bool) -> Result<T> {
    answer.map_err(|error| if in_doubt { Error { kind: Kind::Unknown, ..error } } else { error })
}

fn worth_repeating(error: &Error) -> bool {
    let soon = error.retry_after.is_none_or(|wait| wait <= LONGEST_WAIT);
    soon && matches!(error.kind, Kind::Unavailable | Kind::Unknown | Kind::Throttled)
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
