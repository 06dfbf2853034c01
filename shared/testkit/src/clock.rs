//! A clock that stands still until the test moves it, or that advances by itself when every task sleeps.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use domain::Timestamp;
use flow::ports::Clock;
use tokio::sync::Notify;

/// How often an automatic clock yields before it advances: enough for a chain of ready tasks to come to rest.
const YIELDS: u32 = 16;

pub struct TestClock {
    state: Mutex<State>,
    /// Notified when time has moved or a task has gone to sleep.
    changed: Notify,
    automatic: bool,
}

struct State {
    now: Timestamp,
    next_sleeper: u64,
    sleepers: BTreeSet<(Timestamp, u64)>,
}

impl TestClock {
    /// A clock that moves only by [`advance`](Self::advance) and [`set`](Self::set).
    pub fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self::new(now, false))
    }

    /// A clock that jumps to the moment of the earliest sleeper whenever no task is ready, so that back-off and pacing
    /// cost no time. It cannot see work on other threads, and would jump over it.
    pub fn automatic(now: Timestamp) -> Arc<Self> {
        Arc::new(Self::new(now, true))
    }

    fn new(now: Timestamp, automatic: bool) -> Self {
        let state = State { now, next_sleeper: 0, sleepers: BTreeSet::new() };
        Self { state: Mutex::new(state), changed: Notify::new(), automatic }
    }

    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// Sets the time, also backwards, as the clocks of real machines do.
    pub fn set(&self, now: Timestamp) {
        self.state().now = now;
        self.changed.notify_waiters();
    }

    /// The number of tasks that sleep right now.
    pub fn sleepers(&self) -> usize {
        self.state().sleepers.len()
    }

    /// Returns when at least `count` tasks sleep; after that the test can move time and knows who will wake.
    pub async fn until_asleep(&self, count: usize) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.sleepers() >= count {
                return;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn fall_asleep(&self, duration: Duration) -> Sleeper<'_> {
        let mut state = self.state();
        let key = (state.now + duration, state.next_sleeper);
        state.next_sleeper += 1;
        state.sleepers.insert(key);
        drop(state);
        self.changed.notify_waiters();
        Sleeper { clock: self, key }
    }

    /// Advances time to the moment of this sleeper, unless somebody wakes before it.
    fn jump_to(&self, key: (Timestamp, u64)) {
        let mut state = self.state();
        if state.sleepers.first() == Some(&key) {
            state.now = state.now.max(key.0);
            drop(state);
            self.changed.notify_waiters();
        }
    }
}

/// Removes the sleeper from the list, also when its future is dropped.
struct Sleeper<'a> {
    clock: &'a TestClock,
    key: (Timestamp, u64),
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.clock.state().sleepers.remove(&self.key);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.state().now
    }

    async fn sleep(&self, duration: Duration) {
        let sleeper = self.fall_asleep(duration);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.now().has_reached(sleeper.key.0) {
                return;
            }
            if self.automatic {
                for _ in 0..YIELDS {
                    tokio::task::yield_now().await;
                }
                self.jump_to(sleeper.key);
            } else {
                changed.await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
