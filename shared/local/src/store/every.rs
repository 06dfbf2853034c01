//! Every user's jobs at once: for the person at the command line, not a port's operation.

use domain::{Job, Status};
use rusqlite::Connection;

use super::SqliteStore;
use super::fault::Result;
use super::table::jobs;

impl SqliteStore {
    /// The newest jobs of all users, of any status when `statuses` is empty. Goes over them all: only a person
    /// asks this, and seldom.
    pub async fn all_jobs(&self, statuses: &[Status], limit: usize) -> flow::Result<Vec<Job>> {
        let statuses = statuses.to_vec();
        self.read("store.all_jobs", "", move |db| newest(db, &statuses, limit)).await
    }
}

fn newest(db: &Connection, statuses: &[Status], limit: usize) -> Result<Vec<Job>> {
    jobs::load_listed(db, &jobs::newest(db, statuses, limit)?)
}
