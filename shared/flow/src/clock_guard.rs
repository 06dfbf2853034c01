//! The guard against a clock that was never set: until the clock shows a plausible time, nothing is accepted, worked on or
//! written. What would be stored would carry a wrong time for good.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::Timestamp;
use domain::clock::earliest_plausible;

use crate::ports::Clock;

/// How often the background work looks whether the clock is set.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The default trusts every clock.
#[derive(Debug, Default)]
pub struct ClockGuard {
    /// The earliest plausible time; `None` if every time is.
    earliest: Option<Timestamp>,
    /// The time that the clock showed when it was first found to be set. Nothing was written before.
    set_since: OnceLock<Timestamp>,
    /// Whether the log says that the clock is not set.
    is_reported: AtomicBool,
}

impl ClockGuard {
    /// `newest_change` is the time of the newest stored change, if the store knows it.
    pub fn new(built_at: Timestamp, newest_change: Option<Timestamp>) -> Self {
        Self { earliest: Some(earliest_plausible(built_at, newest_change)), ..Self::default() }
    }

    /// The guard that the configuration asks for: one that trusts every clock if `server.trust_clock` says so.
    pub fn unless_trusted(is_trusted: bool, built_at: Timestamp, newest_change: Option<Timestamp>) -> Self {
        if is_trusted { Self::default() } else { Self::new(built_at, newest_change) }
    }

    /// The time since which the clock is set; `None` while it is not. A change is logged once.
    pub fn set_since(&self, now: Timestamp) -> Option<Timestamp> {
        let too_early = self.earliest.filter(|earliest| !now.has_reached(*earliest));
        let was_reported = self.is_reported.swap(too_early.is_some(), Ordering::Relaxed);
        match too_early {
            Some(earliest) => {
                if !was_reported {
                    tracing::error!(%now, %earliest, "the clock is not set: it is earlier than the build of this program or the newest stored change. Uploads are refused and nothing is worked on until the clock of this machine is set; the server then goes on by itself. If the clock is right and an earlier one ran ahead, start with server.trust_clock = true until that time has passed");
                }
                None
            }
            None => {
                if was_reported {
                    tracing::info!(%now, "the clock is set: uploads are accepted and work goes on");
                }
                Some(*self.set_since.get_or_init(|| now))
            }
        }
    }

    /// Waits until the clock is set, and returns since when it is. Whatever has an earlier time is from an earlier process.
    pub async fn until_set(&self, clock: &dyn Clock) -> Timestamp {
        loop {
            if let Some(since) = self.set_since(clock.now()) {
                return since;
            }
            clock.sleep(LOOK_EVERY).await;
        }
    }
}
