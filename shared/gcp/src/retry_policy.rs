//! Retries with jitter, limited in number and in time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flow::ports::{Clock, Random};
use flow::{Error, Kind, Result};

/// Builds the error of an operation whose time limit was reached. The operation knows whether it may
/// have taken effect.
pub trait TimedOut {
    fn late(&self, limit: Duration) -> Error;
}

#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// The most tries, including the first.
    pub tries: u32,
    /// The time limit of one try: a request with its answer, or the next bytes of a read.
    pub attempt: Duration,
    /// The time limit of all tries together, including the pauses.
    pub total: Duration,
    /// The pause before the second try; it doubles with each further one.
    pub first_pause: Duration,
    pub longest_pause: Duration,
}

pub struct Retrying<'a> {
    pub policy: &'a RetryPolicy,
    pub clock: &'a dyn Clock,
    pub random: &'a dyn Random,
}

impl Retrying<'_> {
    /// Tries until the work succeeds, fails permanently, or the limits are reached. If a try may have taken
    /// effect and no later try could tell, the outcome is unknown.
    pub async fn run<T, F>(&self, call: &impl TimedOut, mut attempt: impl FnMut() -> F) -> Result<T>
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
                match self.pause(tried, &error) {
                    Some(pause) => {
                        tracing::debug!(%error, tried, "trying again");
                        *last_cause.lock().unwrap_or_else(PoisonError::into_inner) = error.source;
                        self.clock.sleep(pause).await;
                    }
                    None => return Err(with_doubt(error, unsure)),
                }
            }
        };
        // The last error tells more than the fact that the time limit was reached.
        let late = || {
            let (late, last_cause) =
                (call.late(self.policy.total), last_cause.lock().unwrap_or_else(PoisonError::into_inner).take());
            match last_cause {
                Some(last_cause) => late.because(last_cause),
                None => late,
            }
        };
        tokio::time::timeout(self.policy.total, Box::pin(all)).await.unwrap_or_else(|_| Err(late()))
    }

    /// Makes one try within its time limit.
    pub async fn once<T>(&self, call: &impl TimedOut, attempt: impl Future<Output = Result<T>>) -> Result<T> {
        let late = || call.late(self.policy.attempt);
        tokio::time::timeout(self.policy.attempt, attempt).await.unwrap_or_else(|_| Err(late()))
    }

    /// How long to wait before the next try; `None` if there is none.
    pub fn pause(&self, tried: u32, error: &Error) -> Option<Duration> {
        let policy = self.policy;
        let requested = error.retry_after.unwrap_or_default();
        if !error.may_pass() || tried >= policy.tries || requested > policy.longest_pause {
            return None;
        }
        let doubled = policy.first_pause.saturating_mul(1 << tried.saturating_sub(1).min(16));
        // Between half of the pause and all of it, so that calls that failed together do not come back
        // together.
        let jitter = 0.5 + self.random.unit() / 2.0;
        Some(doubled.min(policy.longest_pause).mul_f64(jitter).max(requested))
    }
}

fn with_doubt(mut error: Error, unsure: bool) -> Error {
    if unsure && !matches!(error.kind, Kind::Conflict | Kind::Corrupt) {
        error.kind = Kind::Unknown;
    }
    error
}
