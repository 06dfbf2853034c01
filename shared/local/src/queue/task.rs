//! A task of the queue, as it is in memory and in a row.

use bytes::Bytes;
use domain::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The id of the row.
    pub id: i64,
    pub name: String,
    /// The task is not delivered before this moment.
    pub due: Timestamp,
    /// The number of deliveries that failed.
    pub retries: u32,
    /// The number of failed deliveries that the worker answered.
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
