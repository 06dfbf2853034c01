//! What the dispatcher has done beside the deliveries: loading the nearest tasks, and freeing names.

use std::sync::Arc;
use std::time::Duration;

use flow::Result;

use super::LocalQueue;
use super::table;

/// After a load that failed.
const LOAD_AGAIN: Duration = Duration::from_secs(1);
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// Names freed in one step of the writer, which everybody else waits for.
const PURGE_PAGE: usize = 500;

/// A load under way. Cut off, it lets another one begin.
pub struct Loading {
    queue: Arc<LocalQueue>,
    ended: bool,
}

impl Loading {
    pub fn begun(queue: Arc<LocalQueue>) -> Self {
        Self { queue, ended: false }
    }

    pub async fn load(mut self, limit: usize) {
        // By the writer, not by a reader: it sees what was asked of the writer before, answered or not.
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

    /// Page by page, so that no step is long.
    pub(super) async fn purge(&self) -> Result<()> {
        let now = self.clock.now();
        let page = move || self.rows.call("queue.purge", "", move |db| table::purge(db, now, PURGE_PAGE));
        while page().await? == PURGE_PAGE {}
        Ok(())
    }
}
