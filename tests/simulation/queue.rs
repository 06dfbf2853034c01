//! A queue that wakes whoever delivers its tasks.

use std::sync::Arc;

use async_trait::async_trait;
use flow::Result;
use flow::ports::{NewTask, Queue, TaskName};
use testkit::memory;
use tokio::sync::Notify;

pub struct WakingQueue {
    pub tasks: Arc<memory::Queue>,
    pub changed: Notify,
}

#[async_trait]
impl Queue for WakingQueue {
    async fn enqueue(&self, task: NewTask) -> Result<()> {
        let enqueued = self.tasks.enqueue(task).await;
        self.changed.notify_one();
        enqueued
    }

    async fn exists(&self, name: &TaskName) -> Result<bool> {
        self.tasks.exists(name).await
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}
