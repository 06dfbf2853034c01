//! Every user's jobs at once: for the person at the command line, not a port's operation.

use domain::{Job, Status};

use super::SqliteStore;
use super::table::jobs;

impl SqliteStore {
    /// The newest jobs of all users, of any status when `statuses` is empty. Reads the whole table to sort it: only a
    /// person asks this, and seldom.
    pub async fn all_jobs(&self, statuses: &[Status], limit: usize) -> flow::Result<Vec<Job>> {
        let statuses = statuses.to_vec();
        self.read("store.all_jobs", "", move |db| jobs::newest(db, &statuses, limit)).await
    }
}
