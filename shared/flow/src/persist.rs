//! Repeats an operation whose answer was lost or whose store was away for a moment. Safe, because every operation of
//! every port recognises its own effect.

use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::ports::Clock;

/// Tries, the first included.
const TRIES: u32 = 3;
/// The first pause; the next are twice as long each.
const PAUSE: Duration = Duration::from_millis(50);

/// Runs `operation` until it answers, at most three times. An error that cannot pass is given back at once.
pub async fn persist<T, F>(clock: &dyn Clock, mut operation: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match operation().await {
            Err(error) if worth_repeating(&error) => {
                tracing::debug!(%error, "repeating");
                clock.sleep(pause).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
    operation().await
}

fn worth_repeating(error: &Error) -> bool {
    matches!(error.kind, Kind::Unavailable | Kind::Unknown | Kind::Throttled)
}
