//! One time limit over all calls that one request makes to services that do not answer.
//!
//! Every call has a time limit of its own. Without this one, a request whose first call failed for so long would go on
//! to make others that fail as slowly: to delete what it had staged, or to put its job back. The time runs from the
//! beginning of the first call that failed, and a call that succeeds ends it.

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
    failing_since: Arc<Mutex<Option<Instant>>>,
}

/// Does a request's work with this limit.
pub async fn with_patience<T>(limit: Duration, work: impl Future<Output = T>) -> T {
    PATIENCE.scope(Patience { limit, failing_since: Arc::default() }, work).await
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
            let since = *patience.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
            since.map_or(usual, |since| usual.min(patience.limit.saturating_sub(begun - since)).max(LEAST.min(usual)))
        };
        Self { begun, limit: PATIENCE.try_with(left).unwrap_or(usual) }
    }

    /// Notes how the call ended. An error that is an answer, such as "not found", counts as a success here.
    pub fn ended<T>(&self, result: &Result<T>) {
        let failed = result.as_ref().is_err_and(|error: &Error| error.kind.retry() != Retry::Never);
        let _ = PATIENCE.try_with(|patience| {
            let mut since = patience.failing_since.lock().unwrap_or_else(PoisonError::into_inner);
            *since = if failed { since.or(Some(self.begun)) } else { None };
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
            tokio::time::advance(Duration::from_secs(7)).await;
            let last = TimedCall::begin(USUAL);
            assert_eq!(last.limit, LEAST);
            last.ended(&Ok(()));
            assert_eq!(TimedCall::begin(USUAL).limit, USUAL, "the service answers again");
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
