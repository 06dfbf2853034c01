//! What runs beside the requests: the sweep every minute, and the orphan rule.

use std::time::Duration;

use config::Sweep;
use flow::World;
use flow::sweep::{Swept, sweep, sweep_orphans};
use tokio_util::sync::CancellationToken;

/// How often the store is searched for orphans; they are a day old by then anyway.
const ORPHANS_EVERY: Duration = Duration::from_secs(3600);

pub struct Background {
    world: World,
    sweep_every: Duration,
    sweep_limit: usize,
    orphan_age: Duration,
}

impl Background {
    pub fn new(world: World, sweep: &Sweep) -> Self {
        Self {
            world,
            sweep_every: Duration::from_secs(sweep.interval_seconds),
            sweep_limit: sweep.limit,
            orphan_age: Duration::from_secs(sweep.orphan_blob_seconds),
        }
    }

    /// At the start the server alone holds the folder, and nothing is being uploaded: whatever no job needs is an
    /// orphan, of any age.
    pub async fn at_start(&self) {
        match sweep_orphans(&self.world, Duration::ZERO).await {
            Ok(0) => {}
            Ok(blobs) => tracing::info!(blobs, "staged audio that no job needs was removed"),
            Err(error) => tracing::warn!(%error, "orphaned audio could not be removed; it is tried again"),
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
        loop {
            match sweep(&self.world, self.sweep_limit).await {
                Ok(swept) if swept == Swept::default() => {}
                Ok(swept) => tracing::info!(?swept, "due jobs were repaired"),
                Err(error) => tracing::warn!(%error, "the sweep failed; it is tried again"),
            }
            self.world.clock.sleep(self.sweep_every).await;
        }
    }

    async fn orphans_for_ever(&self) {
        let every = ORPHANS_EVERY.min(self.orphan_age.max(self.sweep_every));
        loop {
            self.world.clock.sleep(every).await;
            if let Err(error) = sweep_orphans(&self.world, self.orphan_age).await {
                tracing::warn!(%error, "orphaned audio could not be removed; it is tried again");
            }
        }
    }
}
