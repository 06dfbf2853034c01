//! Permits for event streams: each stream is a connection that stays open.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Uid;
use flow::settings::StreamLimits;
use tokio_util::sync::CancellationToken;

/// The open streams of this instance.
#[derive(Clone)]
pub struct StreamPermits(Arc<Shared>);

struct Shared {
    limits: StreamLimits,
    shutdown: CancellationToken,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last: u64,
    all: usize,
    /// Each user's streams, the oldest first. A user without a stream is not in the map.
    by_user: HashMap<Uid, VecDeque<(u64, CancellationToken)>>,
}

/// The permit of one stream; it is returned when this is dropped.
pub struct StreamPermit {
    number: u64,
    uid: Uid,
    shared: Arc<Shared>,
    /// Cancelled when the stream has to end.
    pub ends: CancellationToken,
}

impl StreamPermits {
    pub fn new(limits: StreamLimits, shutdown: CancellationToken) -> Self {
        Self(Arc::new(Shared { limits, shutdown, open: Mutex::default() }))
    }

    /// Cancelled when every stream has to end.
    pub fn shutdown(&self) -> CancellationToken {
        self.0.shutdown.child_token()
    }

    pub fn stream_lasts(&self) -> std::time::Duration {
        self.0.limits.max_duration
    }

    /// Takes a permit for a new stream of the user. If the user has too many streams the oldest one ends. Returns
    /// `None` when the streams of others hold all permits.
    pub fn take(&self, uid: &Uid) -> Option<StreamPermit> {
        let (limits, mut open) = (&self.0.limits, self.0.open());
        if open.of(uid) >= limits.per_user.max(1) {
            open.end_oldest(uid);
        }
        if open.all >= limits.total {
            return None;
        }
        let ends = self.0.shutdown.child_token();
        open.last += 1;
        open.all += 1;
        let number = open.last;
        open.by_user.entry(uid.clone()).or_default().push_back((number, ends.clone()));
        Some(StreamPermit { number, uid: uid.clone(), shared: Arc::clone(&self.0), ends })
    }
}

impl Shared {
    /// A poisoned lock is used all the same: no code panics while it holds the lock, and if it did, at worst one permit
    /// would be missing.
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn of(&self, uid: &Uid) -> usize {
        self.by_user.get(uid).map_or(0, VecDeque::len)
    }

    fn end_oldest(&mut self, uid: &Uid) {
        if let Some((_, oldest)) = self.by_user.get_mut(uid).and_then(VecDeque::pop_front) {
            self.all -= 1;
            oldest.cancel();
        }
    }

    fn leave(&mut self, uid: &Uid, number: u64) {
        let Some(streams) = self.by_user.get_mut(uid) else { return };
        let before = streams.len();
        streams.retain(|(other, _)| *other != number);
        self.all -= before - streams.len();
        if streams.is_empty() {
            self.by_user.remove(uid);
        }
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.shared.open().leave(&self.uid, self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::new(text).unwrap()
    }

    fn stream_permits(per_user: usize, total: usize) -> (StreamPermits, CancellationToken) {
        let shutdown = CancellationToken::new();
        let limits = StreamLimits { per_user, total, max_duration: Duration::from_secs(1) };
        (StreamPermits::new(limits, shutdown.clone()), shutdown)
    }

    #[test]
    fn oldest_stream_of_a_user_ends_when_there_are_too_many() {
        let (stream_permits, _) = stream_permits(2, 10);
        let bobs = stream_permits.take(&uid("bob")).unwrap();
        let [first, second, third] = [(); 3].map(|()| stream_permits.take(&uid("ann")).unwrap());
        assert_eq!(
            [&first, &second, &third, &bobs].map(|permit| permit.ends.is_cancelled()),
            [true, false, false, false]
        );
        drop(first);
        assert!(
            stream_permits.take(&uid("ann")).is_some() && second.ends.is_cancelled(),
            "an ended stream is not counted twice"
        );
        assert!(!third.ends.is_cancelled());
    }

    #[test]
    fn permits_are_returned_and_a_user_without_streams_is_removed() {
        let (stream_permits, _) = stream_permits(2, 2);
        let held = [uid("ann"), uid("bob")].map(|uid| stream_permits.take(&uid).unwrap());
        assert!(stream_permits.take(&uid("eve")).is_none());
        drop(held);
        assert!(stream_permits.0.open().by_user.is_empty() && stream_permits.0.open().all == 0);
        assert!(stream_permits.take(&uid("eve")).is_some());
    }

    #[test]
    fn user_replaces_own_stream_when_all_permits_are_taken() {
        let (stream_permits, _) = stream_permits(1, 1);
        let old = stream_permits.take(&uid("ann")).unwrap();
        let new = stream_permits.take(&uid("ann")).unwrap();
        assert!(old.ends.is_cancelled() && !new.ends.is_cancelled());
    }

    #[test]
    fn shutdown_ends_every_stream() {
        let (stream_permits, shutdown) = stream_permits(2, 2);
        let permit = stream_permits.take(&uid("ann")).unwrap();
        shutdown.cancel();
        assert!(permit.ends.is_cancelled() && stream_permits.shutdown().is_cancelled());
    }
}
