//! What runs beside the requests: the sweep every minute, and the orphan rule.

use std::time::Duration;

use config::Sweep;
use domain::Timestamp;
use flow::Services;
use flow::sweep::{Swept, resume, sweep, sweep_orphans};
use tokio_util::sync::CancellationToken;

/// How often the store is searched for orphans; they are a day old by then anyway.
const ORPHANS_EVERY: Duration = Duration::from_secs(3600);

pub struct Background {
    services: Services,
    sweep_every: Duration,
    sweep_limit: usize,
    orphan_age: Duration,
    started: Timestamp,
}

impl Background {
    pub fn new(services: Services, sweep: &Sweep) -> Self {
        Self {
            started: services.now(),
            services,
            sweep_every: Duration::from_secs(sweep.interval_seconds),
            sweep_limit: sweep.limit,
            orphan_age: Duration::from_secs(sweep.orphan_blob_seconds),
        }
    }

    /// Sweeps until the token is cancelled, the first time at once.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.sweep_for_ever() => {}
            () = self.orphans_for_ever() => {}
        }
    }

    async fn sweep_for_ever(&self) {
        match resume(&self.services, self.started, self.sweep_limit).await {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "jobs that an earlier run left behind go on"),
            Err(error) => tracing::warn!(%error, "what an earlier run left behind could not be looked at"),
        }
        loop {
            match sweep(&self.services, self.sweep_limit).await {
                Ok(swept) if swept == Swept::default() => {}
                Ok(swept) => tracing::info!(?swept, "due jobs were repaired"),
                Err(error) => tracing::warn!(%error, "the sweep failed; it is tried again"),
            }
            self.services.clock.sleep(self.sweep_every).await;
        }
    }

    /// The first time for everything from before the start: whoever wrote it is gone, since the folder is ours alone.
    async fn orphans_for_ever(&self) {
        let every = ORPHANS_EVERY.min(self.orphan_age.max(self.sweep_every));
        let mut before = self.started;
        loop {
            match sweep_orphans(&self.services, before).await {
                Ok(0) => {}
                Ok(blobs) => tracing::info!(blobs, "staged audio that no job needs was removed"),
                Err(error) => tracing::warn!(%error, "orphaned audio could not be removed; it is tried again"),
            }
            self.services.clock.sleep(every).await;
            before = self.services.now() - self.orphan_age;
        }
    }
}
