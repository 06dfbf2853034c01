//! Wakes the watchers of a user's jobs: after this process's own commits, and regularly for those of
//! other processes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Uid;
use flow::ports::feed::Watchers;
use flow::ports::{Feed, Watch, WrittenUser};

#[derive(Default)]
pub struct ChangeFeed {
    watchers: Watchers,
    /// Whether the timer runs, which it does only while there are watchers.
    ticking: Arc<Mutex<bool>>,
}

impl ChangeFeed {
    /// Wakes the watchers of the jobs that were written; called after the commit.
    pub fn wake(&self, written: &impl WrittenUser) {
        written.uid().into_iter().for_each(|uid| self.watchers.wake(uid));
    }

    pub fn watch(&self, uid: &Uid, every: Duration) -> Watch {
        let mut ticking = self.ticking.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = self.watchers.watch(uid);
        if let (false, Ok(runtime)) = (*ticking, tokio::runtime::Handle::try_current()) {
            *ticking = true;
            runtime.spawn(tick(self.watchers.clone(), Arc::clone(&self.ticking), every));
        }
        watch
    }
}

/// Wakes all watchers regularly, until there are none.
#[expect(clippy::disallowed_methods, reason = "other processes write in real time")]
async fn tick(watchers: Watchers, ticking: Arc<Mutex<bool>>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let mut ticking = ticking.lock().unwrap_or_else(PoisonError::into_inner);
        if watchers.users() == 0 {
            *ticking = false;
            return;
        }
        watchers.wake_all();
    }
}

impl Feed for super::FirestoreStore {
    fn watch(&self, uid: &Uid) -> Watch {
        self.change_feed.watch(uid, self.client.settings.look_again)
    }
}
