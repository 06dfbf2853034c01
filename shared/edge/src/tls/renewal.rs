//! Loads renewed files without a restart; if they are invalid this is logged, and the old certificate stays in use.

use std::time::Duration;

use domain::Timestamp;
use flow::ports::Clock;
use tokio::sync::watch;

use super::expiry::{ExpiryWarning, has_expired};
use super::files::{self, Stamps};
use super::{Certificate, Tls};

impl Tls {
    /// Checks the files for changes at this interval, and at once whenever `reload` changes, for ever.
    pub async fn renew(
        mut self,
        every: Duration,
        clock: &dyn Clock,
        mut reload: watch::Receiver<u64>,
        warning: ExpiryWarning,
    ) {
        loop {
            let asked = tokio::select! {
                () = clock.sleep(every) => false,
                () = changed(&mut reload) => true,
            };
            let now = clock.now();
            // Reading may block, if only briefly.
            let Ok(after) = tokio::task::spawn_blocking(move || {
                self.reload(asked, now);
                self
            })
            .await
            else {
                return;
            };
            self = after;
            warning.check(&self.certificate(), clock.now());
        }
    }

    /// Reads the files if they have changed, or if somebody asks for it.
    pub(super) fn reload(&mut self, asked: bool, now: Timestamp) {
        // The stamps are taken before the files are read, so that a change during the reading is noticed the next time.
        let stamps = Stamps::of(&self.certificate, &self.key);
        if stamps == self.stamps && !asked {
            return;
        }
        self.stamps = stamps;
        match files::read(&self.certificate, &self.key) {
            Ok(pair) => {
                let new = Certificate::of(&pair);
                let expires = new.expires.map(|at| at.to_string());
                if has_expired(&new, now) && !has_expired(&self.certificate(), now) {
                    tracing::error!(
                        expires,
                        "a renewed TLS certificate has expired already; the old certificate is kept"
                    );
                    return;
                }
                tracing::info!(expires, "the TLS certificate was loaded again");
                self.current.replace(pair);
            }
            Err(why) => tracing::error!(%why, "the TLS files cannot be used; the certificate in use is kept"),
        }
    }
}

/// Waits for a change; for ever, if none can come any more.
async fn changed(reload: &mut watch::Receiver<u64>) {
    if reload.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
