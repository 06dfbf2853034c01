//! A task as the queue holds it, in memory and in a row.

use bytes::Bytes;
use domain::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The row.
    pub id: i64,
    pub name: String,
    /// Not before this moment.
    pub due: Timestamp,
    /// Deliveries that failed.
    pub retries: u32,
    /// Those of them that the worker answered.
    pub answers: u32,
    pub body: Bytes,
    pub traceparent: Option<String>,
}

/// The order of delivery: by schedule, then by age.
pub type Key = (Timestamp, i64);

impl Task {
    pub fn key(&self) -> Key {
        (self.due, self.id)
    }
}
