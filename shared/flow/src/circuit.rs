//! The circuit breaker of the speech engine: after several failures in a row the engine is not called for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{Explanation, Timestamp};

/// The number of deliveries in a row without a successful engine call after which the circuit opens.
const FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// The longest pause that a provider can ask for. After it the engine is called again even if the provider asked for days,
/// because only an answer closes the circuit. A single job waits no longer for such a wish either.
pub(crate) const LONGEST_WISH: Duration = Duration::from_secs(3600);

/// How long other deliveries wait for the one that probes the engine. After that another one may probe.
const PROBE: Duration = Duration::from_secs(120);
/// The longest time for which the circuit postpones a job.
pub(crate) const LONGEST_WAIT: Duration = if LONGEST_WISH.as_secs() > PROBE.as_secs() { LONGEST_WISH } else { PROBE };
const _: () = assert!(LONGEST_PAUSE.as_secs() <= LONGEST_WAIT.as_secs());
/// An open circuit is ignored this long after its pause: other instances may have found that the engine is back.
const STALE: Duration = Duration::from_secs(600);

/// The state of the circuit, which is what an instance knows of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// The engine answers, or nothing else is known.
    Closed,
    /// The circuit is open: the engine is not called.
    Open,
    /// The pause is over: one job may probe whether the engine is back.
    HalfOpen,
}

/// The circuit breaker of one instance. It is not stored: it saves calls, and correctness does not depend on it.
#[derive(Default)]
pub struct Circuit {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// When the pause ends. The value is kept after that time, until the engine has answered.
    open_until: Option<Timestamp>,
    /// Until when other deliveries wait for a probe.
    probed_until: Option<Timestamp>,
    /// Whether the engine has answered after an outage since [`Circuit::take_came_back`] was last called.
    came_back: bool,
    /// Why the engine failed last.
    why: Option<Explanation>,
}

impl Circuit {
    /// The end of the pause, while the circuit is open.
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.lock().open_until.filter(|until| !now.has_reached(*until))
    }

    pub fn state_at(&self, now: Timestamp) -> CircuitState {
        match self.lock().open_until {
            Some(until) if !now.has_reached(until) => CircuitState::Open,
            Some(until) if !now.has_reached(until + STALE) => CircuitState::HalfOpen,
            _ => CircuitState::Closed,
        }
    }

    /// Whether the engine has answered after an outage. It returns true once for each outage.
    pub fn take_came_back(&self) -> bool {
        std::mem::take(&mut self.lock().came_back)
    }

    /// Lets a delivery through, or returns until when it has to wait. While the circuit is open no delivery passes.
    /// After the pause one passes to probe the engine; all others pass when the engine has answered.
    pub fn enter(&self, now: Timestamp) -> Result<Entered<'_>, Timestamp> {
        let mut state = self.lock();
        let Some(until) = state.open_until else { return Ok(Entered { probes: None }) };
        let later = state.probed_until.map_or(until, |probed| probed.max(until));
        if !now.has_reached(later) {
            return Err(later);
        }
        state.probed_until = Some(now + PROBE);
        Ok(Entered { probes: Some(self) })
    }

    pub fn succeeded(&self) {
        let mut state = self.lock();
        *state = State { came_back: state.came_back || state.open_until.is_some(), ..State::default() };
    }

    /// Why the engine failed last, until it answers.
    pub fn why(&self) -> Option<Explanation> {
        self.lock().why.clone()
    }

    pub fn failed(&self, now: Timestamp, retry_after: Option<Duration>, why: Option<Explanation>) {
        let mut state = self.lock();
        state.why = why.or(state.why.take());
        state.failures = state.failures.saturating_add(1);
        let over = state.failures.saturating_sub(FAILURES);
        if state.failures >= FAILURES {
            let pause = FIRST_PAUSE.saturating_mul(1 << over.min(10)).min(LONGEST_PAUSE);
            let until = now + pause.max(retry_after.unwrap_or_default().min(LONGEST_WISH));
            state.open_until = state.open_until.max(Some(until));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is plain numbers, which stay valid after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A delivery that was let through. If it was to probe the engine and ends without having called it, the next one may.
pub struct Entered<'c> {
    probes: Option<&'c Circuit>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if let Some(circuit) = self.probes {
            circuit.lock().probed_until = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circuit_opens_after_failures_in_a_row_and_closes_after_a_success() {
        let (circuit, now) = (Circuit::default(), Timestamp::from_secs(1000));
        circuit.failed(now, None, None);
        circuit.failed(now, None, None);
        assert_eq!(circuit.open_until(now), None);
        circuit.failed(now, None, None);
        assert_eq!(circuit.open_until(now), Some(now + FIRST_PAUSE));
        assert_eq!(circuit.open_until(now + FIRST_PAUSE), None);
        circuit.failed(now + FIRST_PAUSE, None, None);
        assert_eq!(circuit.open_until(now + FIRST_PAUSE), Some(now + 3 * FIRST_PAUSE));
        circuit.succeeded();
        assert_eq!(circuit.open_until(now), None);
    }

    fn opened(now: Timestamp) -> Circuit {
        let circuit = Circuit::default();
        (0..FAILURES).for_each(|_| circuit.failed(now, None, None));
        circuit
    }

    #[test]
    fn only_one_delivery_probes_whether_the_engine_is_back() {
        let now = Timestamp::from_secs(1000);
        let circuit = opened(now);
        assert_eq!(circuit.enter(now).err(), Some(now + FIRST_PAUSE));
        let now = now + FIRST_PAUSE;
        let probe = circuit.enter(now).expect("its time is over");
        assert_eq!(circuit.enter(now).err(), Some(now + PROBE), "the others wait for what it finds out");
        assert_eq!((circuit.state_at(now), circuit.take_came_back()), (CircuitState::HalfOpen, false));
        circuit.succeeded();
        assert!(circuit.enter(now).is_ok());
        assert_eq!((circuit.state_at(now), circuit.take_came_back()), (CircuitState::Closed, true));
        assert!(!circuit.take_came_back(), "once");
        drop(probe);
        assert!(circuit.enter(now).is_ok());
    }

    #[test]
    fn delivery_that_ends_without_a_call_leaves_the_probe_to_the_next() {
        let now = Timestamp::from_secs(1000);
        let (circuit, now) = (opened(now), now + FIRST_PAUSE);
        drop(circuit.enter(now).expect("the first"));
        let second = circuit.enter(now).expect("the first asked nothing");
        assert!(circuit.enter(now).is_err());
        assert!(circuit.enter(now + PROBE).is_ok(), "nor is it waited for without end");
        drop(second);
    }

    #[test]
    fn open_circuit_is_ignored_long_after_its_pause() {
        let now = Timestamp::from_secs(1000);
        let (circuit, over) = (opened(now), now + FIRST_PAUSE);
        assert_eq!(circuit.state_at(now), CircuitState::Open);
        assert_eq!(circuit.state_at(over + STALE - Duration::from_millis(1)), CircuitState::HalfOpen);
        assert_eq!(circuit.state_at(over + STALE), CircuitState::Closed);
    }

    #[test]
    fn circuit_knows_why_the_engine_failed_until_it_answers() {
        let (circuit, now) = (Circuit::default(), Timestamp::from_secs(1000));
        circuit.failed(now, None, Some(Explanation::new("no answer")));
        circuit.failed(now, None, None);
        assert_eq!(circuit.why(), Some(Explanation::new("no answer")));
        circuit.succeeded();
        assert_eq!(circuit.why(), None);
    }

    #[test]
    fn circuit_honours_the_wait_that_a_provider_asks_for() {
        let (circuit, now) = (Circuit::default(), Timestamp::from_secs(1000));
        for _ in 0..FAILURES {
            circuit.failed(now, Some(Duration::from_secs(3600)), None);
        }
        assert_eq!(circuit.open_until(now), Some(now + Duration::from_secs(3600)));
    }
}
