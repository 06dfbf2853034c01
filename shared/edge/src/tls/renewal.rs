//! Loads renewed files without a restart; if they are invalid this is logged, and the old certificate stays in use.

use std::time::Duration;

use flow::ports::Clock;

use super::files::{self, Stamps};
use super::{Certificate, Tls, warn_if_expired};

impl Tls {
    /// Checks the files for changes at this interval, for ever.
    pub async fn renew(mut self, every: Duration, clock: &dyn Clock) {
        loop {
            clock.sleep(every).await;
            // Reading may block, if only briefly.
            let Ok(after) = tokio::task::spawn_blocking(move || {
                self.reload_if_changed();
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

    pub(super) fn reload_if_changed(&mut self) {
        // The stamps are taken before the files are read, so that a change during the reading is noticed the next time.
        let stamps = Stamps::of(&self.certificate, &self.key);
        if stamps == self.stamps {
            return;
        }
        self.stamps = stamps;
        match files::read(&self.certificate, &self.key) {
            Ok(pair) => {
                let expires = Certificate::of(&pair).expires.map(|at| at.to_string());
                tracing::info!(expires, "the TLS certificate was renewed");
                self.current.replace(pair);
            }
            Err(why) => tracing::error!(%why, "a renewed TLS certificate cannot be used; the old certificate is kept"),
        }
    }
}
