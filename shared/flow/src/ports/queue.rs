//! The task queue, which delivers wake-ups to workers with the semantics of Cloud Tasks: named, scheduled, at least once.

use std::fmt;

use async_trait::async_trait;
use domain::{JobId, Timestamp, Uid};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Result;

/// The name of a task: a hash of job id and dispatch number, because sequential names slow a queue down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskName(String);

impl TaskName {
    pub fn of(job: JobId, dispatch: u32) -> Self {
        let digest = Sha256::digest(format!("{job}/{dispatch}"));
        Self(hex::encode(&digest[..16]))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The body of a task. It has only ids and the dispatch number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskBody {
    pub job_id: JobId,
    pub uid: Uid,
    pub dispatch: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask {
    pub body: TaskBody,
    /// When the task is delivered; `None` for at once.
    pub schedule: Option<Timestamp>,
    /// The trace context, which is passed to the worker as a header.
    pub traceparent: Option<String>,
}

impl NewTask {
    pub fn name(&self) -> TaskName {
        TaskName::of(self.body.job_id, self.body.dispatch)
    }
}

#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Creates the task durably. It is a success if a task of that name exists or ran lately, because it is the same
    /// wake-up.
    async fn enqueue(&self, task: NewTask) -> Result<()>;

    /// Whether a task of that name still has to be delivered or is being delivered now.
    async fn exists(&self, name: &TaskName) -> Result<bool>;

    async fn ready(&self) -> Result<()>;
}
