//! Retries with jitter, limited in number and in time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flow::ports::{Clock, Random};
pub use flow::retry::RetryPolicy;
use flow::retry::with_doubt;
use flow::{Error, Kind, Result};

use flow::patience::TimedCall;

/// How long and how often a call of a service is tried.
#[derive(Clone, Debug)]
pub struct CallPolicy {
    /// The time limit of one try: a request with its answer, or the next bytes of a read.
    pub attempt: Duration,
    pub retry: RetryPolicy,
}

/// Builds the error of an operation whose time limit was reached. The operation knows whether it may
/// have taken effect.
pub trait TimeoutError {
    fn timed_out(&self, limit: Duration) -> Error;
}

pub struct Retrying<'a> {
    pub policy: &'a CallPolicy,
    pub clock: &'a dyn Clock,
    pub random: &'a dyn Random,
}

impl Retrying<'_> {
    /// Tries until the work succeeds, fails permanently, or the limits are reached. If a try may have taken
    /// effect and no later try could tell, the outcome is unknown.
    pub async fn run<T, F>(&self, call: &impl TimeoutError, mut attempt: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let timed = TimedCall::begin(self.policy.retry.total);
        let result = self.within(timed.limit, call, &mut attempt).await;
        timed.ended(&result);
        result
    }

    async fn within<T, F>(
        &self,
        limit: Duration,
        call: &impl TimeoutError,
        attempt: &mut impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let last_cause = Mutex::new(None);
        let all = async {
            let (mut tried, mut unsure) = (0, false);
            loop {
                tried += 1;
                let error = match self.once(call, attempt()).await {
                    Ok(done) => return Ok(done),
                    Err(error) => error,
                };
                unsure |= error.kind == Kind::Unknown;
                match self.policy.retry.pause(tried, &error, self.random.unit()) {
                    Some(pause) => {
                        tracing::debug!(%error, tried, "trying again");
                        *last_cause.lock().unwrap_or_else(PoisonError::into_inner) = error.source;
                        self.clock.sleep(pause).await;
                    }
                    None => return Err(with_doubt(error, unsure).after_retries()),
                }
            }
        };
        // The last error tells more than the fact that the time limit was reached.
        let timed_out = || {
            let (timed_out, last_cause) =
                (call.timed_out(limit), last_cause.lock().unwrap_or_else(PoisonError::into_inner).take());
            match last_cause {
                Some(last_cause) => timed_out.because(last_cause),
                None => timed_out,
            }
        };
        tokio::time::timeout(limit, Box::pin(all)).await.unwrap_or_else(|_| Err(timed_out().after_retries()))
    }

    /// Makes one try within its time limit.
    pub async fn once<T>(&self, call: &impl TimeoutError, attempt: impl Future<Output = Result<T>>) -> Result<T> {
        let timed_out = || call.timed_out(self.policy.attempt);
        tokio::time::timeout(self.policy.attempt, attempt).await.unwrap_or_else(|_| Err(timed_out()))
    }
}
