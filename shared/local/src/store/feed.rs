//! Wakes the watchers of a user's jobs.

use domain::Uid;
use flow::ports::{Feed, Watch};

use super::SqliteStore;

impl Feed for SqliteStore {
    /// Wakes after commits of this process only. Watchers see writes of a command beside the server when
    /// they read next.
    fn watch(&self, uid: &Uid) -> Watch {
        self.watchers.watch(uid)
    }
}
