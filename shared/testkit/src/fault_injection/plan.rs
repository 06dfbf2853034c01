//! The plan that decides which calls fail.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::random::SeededRandom;

/// Operations are named as in errors: `store.place`; each command has a name of its own: `store.step.claim`.
#[derive(Default)]
pub struct Plan {
    first: Option<Mutex<HashSet<&'static str>>>,
    random: Option<(SeededRandom, usize)>,
    /// Failures that are still to come, by operation; `None` means every call fails.
    scripted: Mutex<HashMap<&'static str, Option<u32>>>,
    call_counts: Mutex<HashMap<&'static str, u64>>,
    /// How long each call takes, before and after its effect, at random.
    delays: Option<SeededRandom>,
    is_calm: AtomicBool,
}

/// The longest time before or after the effect of a slow call, in milliseconds.
const SLOWEST_MS: usize = 40;

impl Plan {
    /// Only the failures that [`fail_call`](Self::fail_call) and [`fail_always`](Self::fail_always) ask for.
    pub fn never() -> Self {
        Self::default()
    }

    pub fn first_of_each() -> Self {
        Self { first: Some(Mutex::default()), ..Self::default() }
    }

    /// One call in `n` fails, at random.
    pub fn seeded(seed: u64, n: usize) -> Self {
        Self { random: Some((SeededRandom::new(seed), n)), ..Self::default() }
    }

    /// The same plan, but calls take their time before and after their effect, by the runtime's clock: whoever calls may be
    /// ended on both sides of it.
    #[must_use]
    pub fn slow(mut self, seed: u64) -> Self {
        self.delays = Some(SeededRandom::new(seed));
        self
    }

    /// No call fails by chance from now on.
    pub fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    #[expect(clippy::disallowed_methods, reason = "tests set the runtime's time, for all ports alike")]
    pub(super) async fn pass_time(&self) {
        if let Some(delays) = &self.delays {
            tokio::time::sleep(Duration::from_millis(delays.below(SLOWEST_MS) as u64)).await;
        }
    }

    /// The next `times` calls of this operation fail.
    pub fn fail_call(&self, operation: &'static str, times: u32) {
        self.scripted.lock().unwrap().insert(operation, Some(times));
    }

    /// Every call of this operation fails, until [`heal`](Self::heal) is called.
    pub fn fail_always(&self, operation: &'static str) {
        self.scripted.lock().unwrap().insert(operation, None);
    }

    /// Removes all scripted failures.
    pub fn heal(&self) {
        self.scripted.lock().unwrap().clear();
    }

    /// The number of calls of the operations whose names begin with this prefix.
    pub fn calls_of(&self, prefix: &str) -> u64 {
        let call_counts = self.call_counts.lock().unwrap();
        call_counts.iter().filter(|(operation, _)| operation.starts_with(prefix)).map(|(_, calls)| calls).sum()
    }

    pub fn should_fail(&self, operation: &'static str) -> bool {
        *self.call_counts.lock().unwrap().entry(operation).or_default() += 1;
        let scripted = match self.scripted.lock().unwrap().get_mut(operation) {
            None | Some(Some(0)) => false,
            Some(None) => true,
            Some(Some(left)) => {
                *left -= 1;
                true
            }
        };
        let first = self.first.as_ref().is_some_and(|seen| seen.lock().unwrap().insert(operation));
        let by_chance =
            !self.is_calm.load(Ordering::Relaxed) && self.random.as_ref().is_some_and(|(random, n)| random.one_in(*n));
        scripted || first || by_chance
    }
}
