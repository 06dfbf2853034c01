//! Trying again, in bounds: so many tries, pauses with jitter, and one deadline over all of it.

use std::time::Duration;

use flow::Kind;
use flow::ports::{Clock, Random};
use google_cloud_gax::options::RequestOptionsBuilder;

use super::error::Failure;

/// Tries, the first included.
const TRIES: u32 = 4;
/// The first pause at its longest; the next are twice as long each.
const PAUSE: Duration = Duration::from_millis(200);

pub struct Tries {
    pub deadline: Duration,
    pub attempt: Duration,
}

/// Google's own client waits for ever.
pub fn bounded<B: RequestOptionsBuilder>(call: B, limit: Duration) -> B {
    call.with_attempt_timeout(limit)
}

impl Tries {
    /// Runs `call`, which is told how long this try may take.
    pub async fn run<T, F>(
        &self,
        clock: &dyn Clock,
        random: &dyn Random,
        mut call: impl FnMut(Duration) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let end = clock.now() + self.deadline;
        let (mut pause, mut in_doubt) = (PAUSE, false);
        for number in 1.. {
            let left = clock.now().until(end);
            let limit = self.attempt.min(left);
            // The library bounds its request, this bounds what it does before it: credentials, above all.
            let tried = tokio::time::timeout((limit * 2).min(left), call(limit));
            let tried = tried.await.unwrap_or_else(|_| Err(Failure::new(Kind::Unknown, "there was no answer in time")));
            let failure = match tried {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            in_doubt |= failure.kind == Kind::Unknown;
            // Half of it for sure: who all failed together do not come back together.
            let wait = pause.mul_f64(0.5 + random.unit() / 2.0).max(failure.retry_after.unwrap_or_default());
            if !failure.passes || number == TRIES || wait >= clock.now().until(end) {
                // Once a try may have acted, a later failure does not say that nothing happened.
                let kind = if in_doubt && failure.passes { Kind::Unknown } else { failure.kind };
                return Err(failure.with_kind(kind));
            }
            tracing::debug!(?failure, number, "trying again");
            clock.sleep(wait).await;
            pause *= 2;
        }
        Err(Failure::new(Kind::Unavailable, "no try was made"))
    }
}
