//! The clock port, through which tests control time.

use std::time::Duration;

use async_trait::async_trait;
use domain::Timestamp;

#[async_trait]
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// Waits. A test clock wakes the waiter when the test advances time.
    async fn sleep(&self, duration: Duration);
}
