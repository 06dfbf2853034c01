//! Tracks whether a connection is idle: it is while no request is in flight.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// The requests in flight on one connection.
#[derive(Clone)]
pub(super) struct Activity(Arc<State>);

struct State {
    count: watch::Sender<usize>,
    last: AtomicU64,
    /// Answers that wait until the peer makes room for more bytes: the number of the request, and since when it waits.
    waiting_for_peer: Mutex<BTreeMap<u64, Instant>>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(State {
            count: watch::Sender::new(0),
            last: AtomicU64::new(0),
            waiting_for_peer: Mutex::default(),
        }))
    }

    pub(super) fn begin(&self) -> InFlight {
        self.0.count.send_modify(|count| *count += 1);
        InFlight { number: self.0.last.fetch_add(1, Ordering::Relaxed), activity: self.clone() }
    }

    /// Returns when an answer has waited for the peer for `limit`, or a little longer.
    pub(super) async fn until_stalled(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let until = self.waiting_for_peer().values().min().map_or(now, |since| *since) + limit;
            if now >= until {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// A poisoned lock is used all the same: no code panics while it holds the lock.
    fn waiting_for_peer(&self) -> MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.0.waiting_for_peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once there was no request for `idle`, or for `idle_when_crowded` while other connections wait for a permit.
    pub(super) async fn until_idle(
        &self,
        idle: Duration,
        idle_when_crowded: Duration,
        mut crowded: watch::Receiver<bool>,
    ) {
        let mut count = self.0.count.subscribe();
        loop {
            // `wait_for` cannot fail: the sender lives in `self`.
            let _ = count.wait_for(|count| *count == 0).await;
            // `changed` also notices a request that came and went between two polls, which `wait_for` would miss.
            let patience = async {
                let _ = timeout(idle.saturating_sub(idle_when_crowded), crowded.wait_for(|crowded| *crowded)).await;
                sleep_until(Instant::now() + idle_when_crowded).await;
            };
            tokio::select! {
                _ = count.changed() => {}
                () = patience => return,
            }
        }
    }
}

/// A request in flight: from its head to the last piece of its answer.
pub(super) struct InFlight {
    number: u64,
    activity: Activity,
}

impl InFlight {
    /// The answer now waits until the peer makes room for more bytes.
    pub(super) fn wait_for_peer(&self) {
        self.activity.waiting_for_peer().insert(self.number, Instant::now());
    }

    /// The answer now waits until the handler produces more of it.
    pub(super) fn wait_for_handler(&self) {
        self.activity.waiting_for_peer().remove(&self.number);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.wait_for_handler();
        self.activity.0.count.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn idle_time_starts_when_the_last_request_in_flight_ends() {
        let activity = Activity::new();
        let crowded = watch::Sender::new(false);
        let first = activity.begin();
        let second = activity.begin();
        let until_idle = activity.until_idle(SHORT, SHORT, crowded.subscribe());
        tokio::pin!(until_idle);
        assert!(timeout(3 * SHORT, until_idle.as_mut()).await.is_err());
        drop(first);
        assert!(timeout(3 * SHORT, until_idle.as_mut()).await.is_err());
        drop(second);
        timeout(LONG, until_idle).await.unwrap();
    }

    #[tokio::test]
    async fn request_between_two_polls_restarts_the_idle_time() {
        let activity = Activity::new();
        let crowded = watch::Sender::new(false);
        let until_idle = activity.until_idle(10 * SHORT, SHORT, crowded.subscribe());
        tokio::pin!(until_idle);
        assert!(timeout(5 * SHORT, until_idle.as_mut()).await.is_err());
        drop(activity.begin());
        let last = Instant::now();
        until_idle.await;
        assert!(last.elapsed() >= 10 * SHORT, "{:?}", last.elapsed());
    }

    #[tokio::test]
    async fn idle_connection_ends_early_when_others_wait() {
        let activity = Activity::new();
        let crowded = watch::Sender::new(false);
        let until_idle = activity.until_idle(LONG, SHORT, crowded.subscribe());
        tokio::pin!(until_idle);
        assert!(timeout(3 * SHORT, until_idle.as_mut()).await.is_err());
        crowded.send_replace(true);
        timeout(LONG / 2, until_idle).await.unwrap();
    }
}
