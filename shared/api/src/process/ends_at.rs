//! When the platform ends a request, whatever it is doing.

use std::time::Duration;

use domain::Timestamp;

/// Put into the extensions of a request by a host that knows it. A delivery puts its job back before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndsAt(pub Timestamp);

impl EndsAt {
    /// How long the work may take, so that there is time to end it in order. A time that has passed is none that a
    /// platform gives, as an emulator does: it says nothing.
    pub fn time_for_work(self, now: Timestamp) -> Option<Duration> {
        (!now.has_reached(self.0)).then(|| flow::process::time_for_work(now.until(self.0)))
    }
}
