//! Time, which a test moves as it likes.

use std::time::Duration;

use async_trait::async_trait;
use domain::Timestamp;

/// The clocks of the device.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The time of day. People and networks set it, also backwards.
    fn now(&self) -> Timestamp;

    /// The time since some moment that stays the same while the process lives. It never goes back, and goes on while the device
    /// sleeps: a clock that stands still meanwhile makes the engine believe that the time of day was set.
    fn monotonic(&self) -> Duration;

    /// Waits this long by the monotonic clock, or until a moment after the device woke up if that is later.
    async fn sleep(&self, duration: Duration);

    /// Lets other tasks run. The engine calls it between its durable steps, because files and the index block the thread for
    /// moments; a simulator ends the process here.
    async fn breathe(&self);
}
