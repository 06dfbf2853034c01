//! Renewed files are taken up without a restart; a renewal that is broken is told, and the old one stays.

use std::time::Duration;

use flow::ports::Clock;

use super::files::{self, Stamps};
use super::{Certificate, Tls, warn_if_expired};

impl Tls {
    /// Looks at the files for ever, as often as this.
    pub async fn renew(mut self, every: Duration, clock: &dyn Clock) {
        loop {
            clock.sleep(every).await;
            // Reading may block, if only for a moment.
            let Ok(after) = tokio::task::spawn_blocking(move || {
                self.look();
                self
            })
            .await
            else {
                return;
            };
            self = after;
            warn_if_expired(&self.certificate(), clock.now());
        }
    }

    pub(super) fn look(&mut self) {
        // Before the files are read: what changes while they are is seen the next time.
        let stamps = Stamps::of(&self.certificate, &self.key);
        if stamps == self.stamps {
            return;
        }
        self.stamps = stamps;
        match files::read(&self.certificate, &self.key) {
            Ok(pair) => {
                let expires = Certificate::of(&pair).expires.map(|at| at.to_string());
                tracing::info!(expires, "the TLS certificate was renewed");
                self.shown.replace(pair);
            }
            Err(why) => tracing::error!(%why, "a renewed TLS certificate cannot be used; the old one stays"),
        }
    }
}
