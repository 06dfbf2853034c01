//! Who watches a user's jobs.

use domain::Uid;
use flow::ports::{Feed, Watch};

use super::SqliteStore;

impl Feed for SqliteStore {
    /// Wakes after the commits of this process. What a command beside the server writes is seen by whoever looks.
    fn watch(&self, uid: &Uid) -> Watch {
        self.watchers.watch(uid)
    }
}
