//! Gauges of what the data folder takes, and of the room that is left.

use std::path::PathBuf;
use std::sync::Arc;

use local::{LocalQueue, SqliteStore, metrics};

#[derive(Clone)]
pub struct Sizes {
    pub store: Arc<SqliteStore>,
    pub queue: Arc<LocalQueue>,
    pub folder: PathBuf,
    pub reserve_bytes: u64,
}

impl Sizes {
    /// Updates the gauges before they are scraped.
    pub async fn show(&self) -> flow::Result<()> {
        metrics::show_disk(&self.folder, self.reserve_bytes);
        metrics::show_size("store", self.store.size().await?);
        metrics::show_size("queue", self.queue.size().await?);
        Ok(())
    }
}
