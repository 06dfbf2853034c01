//! One time limit over all calls that one request makes to services that do not answer.
//!
//! Every call has a time limit of its own. Without this one, a request whose first call failed for so long would go on
//! to make others that fail as slowly: to delete what it had staged, or to withdraw its batch. Only the time of failed
//! calls counts, and not what the request did between them; a call that succeeds sets it back to zero.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, Result, Retry};

/// The least time for a call, however long others have failed: a service that works answers within it, so that what is
/// left to do can still be done.
const LEAST: Duration = Duration::from_secs(1);

tokio::task_local! {
    static PATIENCE: Patience;
}

#[derive(Clone)]
struct Patience {
    limit: Duration,
    failed: Arc<Mutex<FailedTime>>,
}

/// The time in which calls failed since one last succeeded.
#[derive(Clone, Copy, Default)]
struct FailedTime {
    sum: Duration,
    /// The end of the last failed call. Calls that run at the same time count once.
    until: Option<Instant>,
}

impl FailedTime {
    fn add(&mut self, begun: Instant, ended: Instant) {
        let from = self.until.map_or(begun, |until| until.max(begun));
        self.sum += ended.saturating_duration_since(from);
        self.until = Some(ended);
    }
}

/// Does a request's work with this limit.
pub async fn with_patience<T>(limit: Duration, work: impl Future<Output = T>) -> T {
    PATIENCE.scope(Patience { limit, failed: Arc::default() }, work).await
}

/// Work for a task of its own, under the limit of the request that begins it.
pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let patience = PATIENCE.try_with(Patience::clone);
    async move {
        match patience {
            Ok(patience) => PATIENCE.scope(patience, work).await,
            Err(_) => work.await,
        }
    }
}

/// A call of a service.
pub struct TimedCall {
    begun: Instant,
    /// The time limit of the call with all its tries.
    pub limit: Duration,
}

impl TimedCall {
    /// Begins a call that may take as long as `usual`, unless the request has waited in vain before.
    pub fn begin(usual: Duration) -> Self {
        let begun = Instant::now();
        let left = |patience: &Patience| {
            let failed = patience.failed.lock().unwrap_or_else(PoisonError::into_inner).sum;
            if failed.is_zero() {
                usual
            } else {
                usual.min(patience.limit.saturating_sub(failed)).max(LEAST.min(usual))
            }
        };
        Self { begun, limit: PATIENCE.try_with(left).unwrap_or(usual) }
    }

    /// Notes how the call ended. An error that is an answer, such as "not found", counts as a success here.
    pub fn ended<T>(&self, result: &Result<T>) {
        let failed = result.as_ref().is_err_and(|error: &Error| error.kind.retry() != Retry::Never);
        let _ = PATIENCE.try_with(|patience| {
            let mut time = patience.failed.lock().unwrap_or_else(PoisonError::into_inner);
            if failed { time.add(self.begun, Instant::now()) } else { *time = FailedTime::default() }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const USUAL: Duration = Duration::from_secs(10);

    fn failed() -> Result<()> {
        Err(Error::new(Kind::Unavailable, "x", ""))
    }

    #[tokio::test(start_paused = true)]
    async fn later_calls_get_what_a_failed_one_has_left() {
        with_patience(USUAL, async {
            let call = TimedCall::begin(USUAL);
            tokio::time::advance(Duration::from_secs(7)).await;
            call.ended(&failed());
            assert_eq!(TimedCall::begin(USUAL).limit, Duration::from_secs(3));
            let limit = tokio::spawn(carried(async { TimedCall::begin(USUAL).limit })).await.unwrap();
            assert_eq!(limit, Duration::from_secs(3), "a task of its own has the same limit");
            let next = TimedCall::begin(USUAL);
            tokio::time::advance(Duration::from_secs(7)).await;
            next.ended(&failed());
            let last = TimedCall::begin(USUAL);
            assert_eq!(last.limit, LEAST);
            last.ended(&Ok(()));
            assert_eq!(TimedCall::begin(USUAL).limit, USUAL, "the service answers again");
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn time_between_failed_calls_does_not_count_and_overlapping_ones_count_once() {
        with_patience(USUAL, async {
            let (one, other) = (TimedCall::begin(USUAL), TimedCall::begin(USUAL));
            tokio::time::advance(Duration::from_secs(4)).await;
            one.ended(&failed());
            other.ended(&failed());
            // The client sends the next file.
            tokio::time::advance(Duration::from_secs(60)).await;
            let next = TimedCall::begin(USUAL);
            assert_eq!(next.limit, Duration::from_secs(6));
            tokio::time::advance(Duration::from_secs(2)).await;
            next.ended(&failed());
            assert_eq!(TimedCall::begin(USUAL).limit, Duration::from_secs(4));
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn refusal_is_an_answer_and_calls_outside_a_request_have_their_own_limit() {
        let refused: Result<()> = Err(Error::new(Kind::NotFound, "x", ""));
        with_patience(USUAL, async {
            let call = TimedCall::begin(USUAL);
            tokio::time::advance(Duration::from_secs(7)).await;
            call.ended(&refused);
            assert_eq!(TimedCall::begin(USUAL).limit, USUAL);
        })
        .await;
        let call = TimedCall::begin(USUAL);
        call.ended(&failed());
        assert_eq!(TimedCall::begin(USUAL).limit, USUAL);
    }
}
