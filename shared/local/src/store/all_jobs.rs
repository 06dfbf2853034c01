//! The jobs of all users, for the operator's command. This is not an operation of the port.

use domain::{Job, Status};
use rusqlite::Connection;

use super::SqliteStore;
use super::fault::Result;
use super::table::jobs;

impl SqliteStore {
    /// The newest jobs of all users; an empty `statuses` means any status. It scans all jobs: only an
    /// operator asks for this, and seldom.
    pub async fn all_jobs(&self, statuses: &[Status], limit: usize) -> flow::Result<Vec<Job>> {
        let statuses = statuses.to_vec();
        self.read("store.all_jobs", "", move |db| newest(db, &statuses, limit)).await
    }
}

fn newest(db: &Connection, statuses: &[Status], limit: usize) -> Result<Vec<Job>> {
    jobs::load_listed(db, &jobs::newest(db, statuses, limit)?)
}
