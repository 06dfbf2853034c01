//! What the dispatcher does beside the deliveries: it loads the nearest tasks and frees names.

use std::sync::Arc;
use std::time::Duration;

use flow::Result;

use super::LocalQueue;
use super::table;

/// The pause after a load that failed.
const LOAD_AGAIN: Duration = Duration::from_secs(1);
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// Names freed in one step of the writer, during which all other steps wait.
const PURGE_PAGE: usize = 500;

/// A load that is under way. If it is cut off, another load may begin.
pub struct Loading {
    queue: Arc<LocalQueue>,
    ended: bool,
}

impl Loading {
    pub fn begun(queue: Arc<LocalQueue>) -> Self {
        Self { queue, ended: false }
    }

    pub async fn load(mut self, limit: usize) {
        // The writer loads the tasks, not a reader, so that the load sees every step that was queued before
        // it, answered or not.
        match self.queue.rows.call("queue.load", "", move |db| table::nearest(db, limit)).await {
            Ok(page) => {
                self.ended = true;
                self.queue.upcoming().end_load(page);
            }
            Err(error) => {
                tracing::warn!(%error, "upcoming tasks not loaded");
                self.queue.clock.sleep(LOAD_AGAIN).await;
            }
        }
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        if !self.ended {
            self.queue.upcoming().fail_load();
        }
    }
}

impl LocalQueue {
    pub(super) async fn purge_for_ever(self: Arc<Self>) {
        loop {
            if let Err(error) = self.purge().await {
                tracing::warn!(%error, "names of past tasks not freed");
            }
            self.clock.sleep(PURGE_EVERY).await;
        }
    }

    /// Frees the names of past tasks, page by page, so that no step takes long.
    pub(super) async fn purge(&self) -> Result<()> {
        let now = self.clock.now();
        let page = move || self.rows.call("queue.purge", "", move |db| table::purge(db, now, PURGE_PAGE));
        while page().await? == PURGE_PAGE {}
        Ok(())
    }
}
