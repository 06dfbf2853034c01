//! Virtual time: it passes only when the executor says so.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use engine::domain::Timestamp;
use engine::ports::Clock;

/// When the simulated world begins.
pub const BEGIN_MS: i64 = 1_750_000_000_000;

#[derive(Default)]
struct State {
    now: Duration,
    /// What people and networks did to the wall clock.
    set_by_ms: i64,
    timers: BTreeMap<(Duration, u64), Waker>,
    last: u64,
}

/// Clones share their state.
#[derive(Clone, Default)]
pub struct Virtual(Arc<Mutex<State>>);

impl Virtual {
    pub fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    /// When the next timer rings.
    pub fn next(&self) -> Option<Duration> {
        self.0.lock().unwrap().timers.keys().next().map(|(at, _)| *at)
    }

    pub fn advance_to(&self, to: Duration) {
        let mut state = self.0.lock().unwrap();
        state.now = state.now.max(to);
        let now = state.now;
        let mut due = Vec::new();
        while let Some(entry) = state.timers.first_entry() {
            if entry.key().0 > now {
                break;
            }
            due.push(entry.remove());
        }
        drop(state);
        due.into_iter().for_each(Waker::wake);
    }

    /// Sets the wall clock.
    pub fn set_by(&self, ms: i64) {
        self.0.lock().unwrap().set_by_ms += ms;
    }

    /// The process ended: nobody waits any more.
    pub fn forget_timers(&self) {
        self.0.lock().unwrap().timers.clear();
    }
}

#[async_trait]
impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        let state = self.0.lock().unwrap();
        Timestamp::from_millis(BEGIN_MS + state.now.as_millis() as i64 + state.set_by_ms)
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        Sleep { clock: self.clone(), until: self.elapsed() + duration, key: None }.await;
    }

    async fn breathe(&self) {
        Breath(false).await;
    }
}

struct Sleep {
    clock: Virtual,
    until: Duration,
    key: Option<(Duration, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut state = clock.0.lock().unwrap();
        if let Some(key) = self.key.take() {
            state.timers.remove(&key);
        }
        if state.now >= self.until {
            return Poll::Ready(());
        }
        state.last += 1;
        let key = (self.until, state.last);
        state.timers.insert(key, context.waker().clone());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.clock.0.lock().unwrap().timers.remove(&key);
        }
    }
}

/// Pending once: the executor may end the process here.
struct Breath(bool);

impl Future for Breath {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
