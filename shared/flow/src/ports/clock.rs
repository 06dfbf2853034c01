//! Time comes in here, so that tests drive it.

use std::time::Duration;

use async_trait::async_trait;
use domain::Timestamp;

#[async_trait]
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// Waits. A test clock wakes when the test moves time.
    async fn sleep(&self, duration: Duration);
}
