//! Remembers that the queue has refused to create a task, which its health check alone does not show.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use flow::{Kind, Result};

/// How long a refusal counts. Another task may be long in coming, and somebody may have set the queue up right meanwhile.
const REMEMBERED: Duration = Duration::from_secs(300);

#[derive(Default)]
pub struct LastRefusal(Mutex<Option<(Timestamp, String)>>);

impl LastRefusal {
    /// Notes the outcome of a creation. Only refusals count that last until somebody does something.
    pub fn note(&self, created: &Result<()>, now: Timestamp) {
        let refusal = match created {
            Ok(()) => None,
            Err(error) if error.kind == Kind::Misconfigured => Some((now, error.to_string())),
            Err(_) => return,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }

    /// The refusal, while it counts and no creation has succeeded since.
    pub fn since(&self, now: Timestamp) -> Option<String> {
        let refusal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, why) = refusal.as_ref()?;
        (now.has_reached(*at) && !now.has_reached(*at + REMEMBERED)).then(|| why.clone())
    }
}

#[cfg(test)]
mod tests {
    use flow::Error;

    use super::*;

    #[test]
    fn refusal_counts_until_a_task_is_created_or_five_minutes_have_passed() {
        let (last, now) = (LastRefusal::default(), Timestamp::from_secs(1_000));
        let refused = |kind| Err(Error::new(kind, "queue.enqueue", "q").because("lacks a role"));
        last.note(&refused(Kind::Unavailable), now);
        assert_eq!(last.since(now), None);
        last.note(&refused(Kind::Misconfigured), now);
        assert!(last.since(now + REMEMBERED / 2).unwrap().contains("lacks a role"));
        assert_eq!(last.since(now + REMEMBERED), None);
        last.note(&refused(Kind::Unavailable), now);
        assert!(last.since(now).is_some(), "an outage says nothing about roles");
        last.note(&Ok(()), now);
        assert_eq!(last.since(now), None);
    }
}
