//! How often and how long something is tried: a bound on both, with jitter between.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flow::ports::{Clock, Random};
use flow::{Error, Kind, Result};

/// What an operation says when its time is over: it knows whether something may have been done.
pub trait TimedOut {
    fn late(&self, limit: Duration) -> Error;
}

#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// How often one thing is asked for.
    pub tries: u32,
    /// How long one try may take: a request with its answer, or the next bytes of a read.
    pub attempt: Duration,
    /// How long all of them may take together, pauses included.
    pub total: Duration,
    /// The pause before the second try; it doubles with each.
    pub first_pause: Duration,
    pub longest_pause: Duration,
}

pub struct Retrying<'a> {
    pub policy: &'a RetryPolicy,
    pub clock: &'a dyn Clock,
    pub random: &'a dyn Random,
}

impl Retrying<'_> {
    /// Tries until it works, cannot work, or has been tried enough. When one try may have acted, and none after it could
    /// say, the outcome is unknown.
    pub async fn run<T, F>(&self, call: &impl TimedOut, mut attempt: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let said = Mutex::new(None);
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
                        *said.lock().unwrap_or_else(PoisonError::into_inner) = error.source;
                        self.clock.sleep(pause).await;
                    }
                    None => return Err(as_sure_as_can_be(error, unsure)),
                }
            }
        };
        // What went wrong tells more than that it took too long.
        let late = || {
            let (late, said) =
                (call.late(self.policy.total), said.lock().unwrap_or_else(PoisonError::into_inner).take());
            match said {
                Some(said) => late.because(said),
                None => late,
            }
        };
        tokio::time::timeout(self.policy.total, Box::pin(all)).await.unwrap_or_else(|_| Err(late()))
    }

    /// One try, within its time.
    pub async fn once<T>(&self, call: &impl TimedOut, attempt: impl Future<Output = Result<T>>) -> Result<T> {
        let late = || call.late(self.policy.attempt);
        tokio::time::timeout(self.policy.attempt, attempt).await.unwrap_or_else(|_| Err(late()))
    }

    /// How long to wait before the next try; `None`: there is none.
    pub fn pause(&self, tried: u32, error: &Error) -> Option<Duration> {
        let policy = self.policy;
        let wish = error.retry_after.unwrap_or_default();
        if !error.may_pass() || tried >= policy.tries || wish > policy.longest_pause {
            return None;
        }
        let doubled = policy.first_pause.saturating_mul(1 << tried.saturating_sub(1).min(16));
        // Between half of it and all of it: those who failed together do not come back together.
        let jitter = 0.5 + self.random.unit() / 2.0;
        Some(doubled.min(policy.longest_pause).mul_f64(jitter).max(wish))
    }
}

fn as_sure_as_can_be(mut error: Error, unsure: bool) -> Error {
    if unsure && !matches!(error.kind, Kind::Conflict | Kind::Corrupt) {
        error.kind = Kind::Unknown;
    }
    error
}
