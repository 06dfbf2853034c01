//! Whether a connection has anything to do: it is idle while no request is in flight.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// The requests in flight on one connection.
#[derive(Clone)]
pub(super) struct Activity(Arc<Requests>);

struct Requests {
    count: watch::Sender<usize>,
    last: AtomicU64,
    /// Answers that go on when the peer has made room, by the number of their request, and since when.
    with_peer: Mutex<BTreeMap<u64, Instant>>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(Requests { count: watch::Sender::new(0), last: AtomicU64::new(0), with_peer: Mutex::default() }))
    }

    pub(super) fn begin(&self) -> InFlight {
        self.0.count.send_modify(|count| *count += 1);
        InFlight { number: self.0.last.fetch_add(1, Ordering::Relaxed), of: self.clone() }
    }

    /// Returns when the peer has made no room for an answer for so long, or a little longer.
    pub(super) async fn stalled(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let until = self.with_peer().values().min().map_or(now, |since| *since) + limit;
            if now >= until {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// Nothing panics while it is held.
    fn with_peer(&self) -> MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.0.with_peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once there was no request for `idle`, or for `hurried` after others began to wait for a place.
    pub(super) async fn quiet(&self, idle: Duration, hurried: Duration, mut crowded: watch::Receiver<bool>) {
        let mut count = self.0.count.subscribe();
        loop {
            // The sender lives in `self`: it cannot be gone.
            let _ = count.wait_for(|count| *count == 0).await;
            // `changed` also sees a request that came and went between two looks, which `wait_for` would miss.
            let patience = async {
                let _ = timeout(idle.saturating_sub(hurried), crowded.wait_for(|crowded| *crowded)).await;
                sleep_until(Instant::now() + hurried).await;
            };
            tokio::select! {
                _ = count.changed() => {}
                () = patience => return,
            }
        }
    }
}

/// A request between its head and the last piece of its answer.
pub(super) struct InFlight {
    number: u64,
    of: Activity,
}

impl InFlight {
    /// The answer goes on when the peer has made room for it.
    pub(super) fn peers_turn(&self) {
        self.of.with_peer().insert(self.number, Instant::now());
    }

    /// The answer goes on when there is more of it.
    pub(super) fn our_turn(&self) {
        self.of.with_peer().remove(&self.number);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.our_turn();
        self.of.0.count.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_request_in_flight_is_never_idle_and_the_last_one_starts_the_clock() {
        let activity = Activity::new();
        let crowded = watch::Sender::new(false);
        let first = activity.begin();
        let second = activity.begin();
        let quiet = activity.quiet(SHORT, SHORT, crowded.subscribe());
        tokio::pin!(quiet);
        assert!(timeout(3 * SHORT, quiet.as_mut()).await.is_err());
        drop(first);
        assert!(timeout(3 * SHORT, quiet.as_mut()).await.is_err());
        drop(second);
        timeout(LONG, quiet).await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_came_and_went_between_two_looks_starts_the_clock_again() {
        let activity = Activity::new();
        let crowded = watch::Sender::new(false);
        let quiet = activity.quiet(10 * SHORT, SHORT, crowded.subscribe());
        tokio::pin!(quiet);
        assert!(timeout(5 * SHORT, quiet.as_mut()).await.is_err());
        drop(activity.begin());
        let last = Instant::now();
        quiet.await;
        assert!(last.elapsed() >= 10 * SHORT, "{:?}", last.elapsed());
    }

    #[tokio::test]
    async fn an_idle_connection_leaves_early_when_others_wait() {
        let activity = Activity::new();
        let crowded = watch::Sender::new(false);
        let quiet = activity.quiet(LONG, SHORT, crowded.subscribe());
        tokio::pin!(quiet);
        assert!(timeout(3 * SHORT, quiet.as_mut()).await.is_err());
        crowded.send_replace(true);
        timeout(LONG / 2, quiet).await.unwrap();
    }
}
