//! The user's limits.

use domain::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::Api;
use crate::messages::Message;

pub const PATH: &str = "/v2/limits";

/// `GET /v2/limits`. Names that this version does not know are shown as they are.
#[derive(Clone, Debug, Deserialize)]
pub struct Limits {
    pub stage: String,
    pub restricted_until: Option<Timestamp>,
    #[serde(default)]
    pub windows: Vec<Window>,
    pub daily_budget: Option<DailyBudget>,
    pub upload: UploadLimits,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Window {
    pub hours: u32,
    pub used_ms: u64,
    pub cap_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct DailyBudget {
    pub used_ms: u64,
    pub cap_ms: u64,
    pub resets_at: Timestamp,
}

#[derive(Clone, Debug, Deserialize)]
pub struct UploadLimits {
    pub max_file_bytes: u64,
    pub max_batch_bytes: u64,
    pub max_files: u64,
    pub resumable_max_file_bytes: u64,
}

impl Limits {
    /// Fair use keeps the user from uploading.
    pub fn is_restricted(&self) -> bool {
        self.stage != "none"
    }
}

impl Api {
    /// The limits, as they were sent and as they are read. A server that answers them is an Afterword server.
    pub async fn limits(&self) -> Result<(Value, Limits), Message> {
        let body = self.get(PATH).await?;
        let limits = serde_json::from_value(body.clone()).map_err(|_| Message::NotAfterword {
            server: self.server().to_owned(),
            path: PATH.to_owned(),
            what: "something else than limits".to_owned(),
        })?;
        Ok((body, limits))
    }
}
