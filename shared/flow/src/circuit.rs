//! Whether the speech engine is asked at all: after failures in a row it is left alone for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Timestamp;

/// Deliveries in a row without one successful engine call before the circuit opens.
const FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A provider may ask for days; it is asked again after this all the same, since only an answer closes the circuit.
const LONGEST_WISH: Duration = Duration::from_secs(3600);

/// Kept by an instance, not by the store: it saves calls, correctness does not rest on it.
#[derive(Default)]
pub struct Circuit {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    failures: u32,
    open_until: Option<Timestamp>,
}

impl Circuit {
    /// `Some(until)` while the circuit is open. When its time is over, deliveries go through again; the first that
    /// fails opens it anew, for longer.
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.lock().open_until.filter(|until| !now.has_reached(*until))
    }

    pub fn succeeded(&self) {
        *self.lock() = State::default();
    }

    pub fn failed(&self, now: Timestamp, retry_after: Option<Duration>) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        let over = state.failures.saturating_sub(FAILURES);
        if state.failures >= FAILURES {
            let pause = FIRST_PAUSE.saturating_mul(1 << over.min(10)).min(LONGEST_PAUSE);
            let until = now + pause.max(retry_after.unwrap_or_default().min(LONGEST_WISH));
            state.open_until = state.open_until.max(Some(until));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic elsewhere leaves plain numbers behind: still fit for use.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_closes_with_a_success() {
        let (circuit, now) = (Circuit::default(), Timestamp::from_secs(1000));
        circuit.failed(now, None);
        circuit.failed(now, None);
        assert_eq!(circuit.open_until(now), None);
        circuit.failed(now, None);
        assert_eq!(circuit.open_until(now), Some(now + FIRST_PAUSE));
        assert_eq!(circuit.open_until(now + FIRST_PAUSE), None);
        circuit.failed(now + FIRST_PAUSE, None);
        assert_eq!(circuit.open_until(now + FIRST_PAUSE), Some(now + 3 * FIRST_PAUSE));
        circuit.succeeded();
        assert_eq!(circuit.open_until(now), None);
    }

    #[test]
    fn honours_the_wait_that_a_provider_asks_for() {
        let (circuit, now) = (Circuit::default(), Timestamp::from_secs(1000));
        for _ in 0..FAILURES {
            circuit.failed(now, Some(Duration::from_secs(3600)));
        }
        assert_eq!(circuit.open_until(now), Some(now + Duration::from_secs(3600)));
    }
}
