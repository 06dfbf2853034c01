//! Background work of the embedded server: the regular sweep, and the removal of orphaned audio.

use std::time::Duration;

use config::Sweep;
use flow::Services;
use flow::sweep::{Swept, resume, sweep, sweep_orphans};
use tokio_util::sync::CancellationToken;

/// How often orphaned blobs are searched for; they are a day old by then anyway.
const ORPHANS_EVERY: Duration = Duration::from_secs(3600);

pub struct Background {
    services: Services,
    sweep_every: Duration,
    sweep_limit: usize,
    orphan_age: Duration,
}

impl Background {
    pub fn new(services: Services, sweep: &Sweep) -> Self {
        Self { services, sweep_every: sweep.interval, sweep_limit: sweep.limit, orphan_age: sweep.orphan_age }
    }

    /// Sweeps until the token is cancelled, the first time at once, and only while the clock is set.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.sweep_for_ever() => {}
            () = self.orphans_for_ever() => {}
        }
    }

    async fn sweep_for_ever(&self) {
        let started = self.services.until_clock_is_set().await;
        match resume(&self.services, started, self.sweep_limit).await {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "unfinished jobs of an earlier run were resumed"),
            Err(error) => tracing::warn!(%error, "unfinished jobs of an earlier run could not be resumed"),
        }
        loop {
            self.services.until_clock_is_set().await;
            match sweep(&self.services, self.sweep_limit).await {
                Ok(swept) if swept == Swept::default() => {}
                Ok(swept) => tracing::info!(?swept, "the sweep repaired due jobs"),
                Err(error) => tracing::warn!(%error, "the sweep failed; it is tried again"),
            }
            self.services.clock.sleep(self.sweep_every).await;
        }
    }

    /// Removes orphaned audio at regular times. The first run removes everything from before the start: its writer is
    /// gone, because only this process uses the folder.
    async fn orphans_for_ever(&self) {
        let every = ORPHANS_EVERY.min(self.orphan_age.max(self.sweep_every));
        let mut before = self.services.until_clock_is_set().await;
        loop {
            match sweep_orphans(&self.services, before).await {
                Ok(0) => {}
                Ok(blobs) => tracing::info!(blobs, "staged audio that no job needs was removed"),
                Err(error) => tracing::warn!(%error, "orphaned audio could not be removed; it is tried again"),
            }
            self.services.clock.sleep(every).await;
            self.services.until_clock_is_set().await;
            before = self.services.now() - self.orphan_age;
        }
    }
}
