//! A queue whose operations fail.

use async_trait::async_trait;
use flow::Result;
use flow::ports::{NewTask, Queue, TaskName};

use super::{Fault, Faulty};

#[async_trait]
impl<P: Queue + ?Sized, F: Fault> Queue for Faulty<P, F> {
    async fn enqueue(&self, task: NewTask) -> Result<()> {
        self.writing("queue.enqueue", self.inner.enqueue(task)).await
    }

    async fn exists(&self, name: &TaskName) -> Result<bool> {
        self.reading("queue.exists", self.inner.exists(name)).await
    }

    async fn ready(&self) -> Result<()> {
        self.reading("queue.ready", self.inner.ready()).await
    }
}
