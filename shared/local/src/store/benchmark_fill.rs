//! Fills the store with jobs that were never accepted, for benchmarks of a full store.

use domain::Job;

use super::SqliteStore;
use super::table::jobs;

/// Jobs in one transaction: enough to make a commit cheap, few enough to hold in memory.
const CHUNK: usize = 5000;

impl SqliteStore {
    /// Writes the jobs as they are, without their recordings. This is not an operation of the port: nothing
    /// is checked.
    pub async fn bulk_load(&self, jobs: impl Iterator<Item = Job> + Send) -> flow::Result<()> {
        let mut jobs = jobs.peekable();
        while jobs.peek().is_some() {
            let chunk: Vec<_> = jobs.by_ref().take(CHUNK).collect();
            self.write("store.bulk_load", "", move |db| chunk.iter().try_for_each(|job| jobs::insert(db, job))).await?;
        }
        Ok(())
    }
}
