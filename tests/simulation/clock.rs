//! The clock of the backend. It follows the runtime's time, which is virtual, and goes on over restarts.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use domain::Timestamp;
use flow::ports::Clock;
use simulator::BEGIN_MS;
use tokio::time::Instant;

#[derive(Default)]
pub struct WorldClock(Mutex<Option<(Duration, Instant)>>);

impl WorldClock {
    /// This runtime began at this moment of the world.
    pub fn began(&self, at: Duration, instant: Instant) {
        *self.0.lock().unwrap() = Some((at, instant));
    }

    /// How old the world is.
    pub fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().map_or(Duration::ZERO, |(at, began)| at + began.elapsed())
    }

    /// The instant of this runtime at which the world is so old.
    pub fn instant(&self, at: Duration) -> Instant {
        let (began, instant) = self.0.lock().unwrap().unwrap();
        instant + at.saturating_sub(began)
    }
}

#[async_trait]
impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN_MS + self.elapsed().as_millis() as i64)
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
