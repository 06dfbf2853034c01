//! Wake-ups for those who wait for changes of a user's jobs.
//!
//! A wake-up only means "query again". It may come too often, and several may be merged into one. A store that many
//! processes write may wake on a timer only. The changes themselves are read from the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Uid;
use tokio::sync::watch;

pub trait Feed: Send + Sync + 'static {
    /// A watch that wakes after every later commit in which a job of the user may have changed.
    fn watch(&self, uid: &Uid) -> Watch;
}

/// A watch over one user's jobs, for as long as it is held.
pub struct Watch {
    receiver: watch::Receiver<()>,
    /// Removes the user from the watchers when it is dropped.
    _remove_on_drop: RemoveOnDrop,
}

impl Watch {
    /// Returns when there was a wake-up since the last return. The future may be dropped and created again without
    /// losing one.
    pub async fn woken(&mut self) {
        if self.receiver.changed().await.is_err() {
            // The sender is gone, as at the end of a process: no wake-up will come any more.
            std::future::pending().await
        }
    }
}

type ByUser = HashMap<Uid, watch::Sender<()>>;

/// The wake-ups of one process, for adapters that see every commit. It keeps nothing of users whom nobody watches.
#[derive(Clone, Default)]
pub struct Watchers(Arc<Mutex<ByUser>>);

impl Watchers {
    /// Wakes the watches of a user. To be called after the commit.
    pub fn wake(&self, uid: &Uid) {
        if let Some(sender) = lock(&self.0).get(uid) {
            sender.send_replace(());
        }
    }

    /// Wakes all watches, for a store that other processes write too.
    pub fn wake_all(&self) {
        lock(&self.0).values().for_each(|sender| sender.send_replace(()));
    }

    /// The number of users who are watched.
    pub fn users(&self) -> usize {
        lock(&self.0).len()
    }
}

impl Feed for Watchers {
    fn watch(&self, uid: &Uid) -> Watch {
        let receiver = lock(&self.0).entry(uid.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { receiver, _remove_on_drop: RemoveOnDrop { watchers: Arc::clone(&self.0), uid: uid.clone() } }
    }
}

struct RemoveOnDrop {
    watchers: Arc<Mutex<ByUser>>,
    uid: Uid,
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        let mut watchers = lock(&self.watchers);
        // Fields are dropped in order, so that this watch's receiver is gone already.
        if watchers.get(&self.uid).is_some_and(|sender| sender.receiver_count() == 0) {
            watchers.remove(&self.uid);
        }
    }
}

/// Nothing panics while the lock is held, and the map would stay valid if it did.
fn lock(watchers: &Mutex<ByUser>) -> MutexGuard<'_, ByUser> {
    watchers.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn uid(text: &str) -> Uid {
        Uid::new(text).unwrap()
    }

    #[test]
    fn watch_wakes_only_for_its_user_and_once_for_several_changes() {
        let watchers = Watchers::default();
        let (mut ann, mut again) = (watchers.watch(&uid("ann")), watchers.watch(&uid("ann")));
        watchers.wake(&uid("bob"));
        assert!(ann.woken().now_or_never().is_none());
        watchers.wake(&uid("ann"));
        watchers.wake(&uid("ann"));
        assert!(ann.woken().now_or_never().is_some() && again.woken().now_or_never().is_some());
        assert!(ann.woken().now_or_never().is_none());
    }

    #[test]
    fn all_watches_can_be_woken_at_once() {
        let watchers = Watchers::default();
        let (mut ann, mut bob) = (watchers.watch(&uid("ann")), watchers.watch(&uid("bob")));
        watchers.wake_all();
        assert!(ann.woken().now_or_never().is_some() && bob.woken().now_or_never().is_some());
    }

    #[test]
    fn nothing_is_kept_for_a_user_without_watches() {
        let watchers = Watchers::default();
        let (first, second) = (watchers.watch(&uid("ann")), watchers.watch(&uid("ann")));
        drop(first);
        assert_eq!(watchers.users(), 1);
        drop(second);
        watchers.wake(&uid("ann"));
        assert_eq!(watchers.users(), 0);
    }
}
