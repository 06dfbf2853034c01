//! Silent pushes that wake an app. A push is only a hint: its failure never fails a job.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use domain::{DeviceId, Timestamp, Uid};
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A push target. `token` is a secret of the device and never appears in `Debug` output or logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub uid: Uid,
    pub id: DeviceId,
    pub platform: Platform,
    pub token: String,
    pub registered_at: Timestamp,
    /// The last time the app registered it or a push reached it.
    pub used_at: Timestamp,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").field("uid", &self.uid).field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    Android,
    Ios,
    Web,
}

impl Platform {
    pub const ALL: [Platform; 3] = [Platform::Android, Platform::Ios, Platform::Web];
}

/// A message of data only; every value is a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushMessage {
    pub data: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOutcome {
    Sent,
    /// The token is no longer valid. It has to be deleted, if the device still has this same token.
    Unregistered,
    /// The push has to be retried, after the wait if there is one.
    Later(Option<Duration>),
    /// The push was refused for a reason that only a person can fix.
    Rejected(String),
}

#[async_trait]
pub trait Push: Send + Sync + 'static {
    /// Makes one attempt for one device. `Err` means that the outcome is unknown or the service unreachable; it is
    /// treated like `Later`.
    async fn send(&self, device: &Device, message: &PushMessage) -> Result<PushOutcome>;
}
