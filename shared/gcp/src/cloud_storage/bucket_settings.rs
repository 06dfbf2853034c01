//! The settings of the bucket on which deletion depends.

use std::sync::Arc;

use flow::Result;
use serde::Deserialize;

use super::Storage;

/// What the names of all audio begin with.
const PREFIX: &str = "uploads/";
const FIELDS: &str = "softDeletePolicy,lifecycle,versioning,retentionPolicy";
/// Reading them needs `storage.buckets.get`, which the functions do not need otherwise.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BucketSettings {
    /// How long deleted audio is kept all the same; zero if soft delete is off.
    pub soft_delete_seconds: u64,
    /// After how many days the lifecycle deletes audio; `None` if it does not.
    pub deletes_after_days: Option<u64>,
    /// Whether deleted audio is kept as an old version.
    pub keeps_versions: bool,
    /// For how long nothing can be deleted.
    pub retention_seconds: u64,
}

pub async fn bucket_settings(storage: &Arc<Storage>) -> Result<BucketSettings> {
    let call = storage.call("storage.doctor", "");
    let ask = || async {
        let url = format!("{}/storage/v1/b/{}?fields={FIELDS}", storage.endpoint(), storage.bucket());
        let request = storage.http(&call)?.get(url).headers(storage.authorization(&call).await?);
        let answer = storage.send(&call, request).await?;
        match answer.status {
            200 => serde_json::from_slice::<Bucket>(&answer.body)
                .map(BucketSettings::from)
                .map_err(|_| call.nonsense("does not describe the bucket")),
            _ => Err(call.refused(&answer.refusal())),
        }
    };
    storage.tries().run(&call, ask).await
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Bucket {
    soft_delete_policy: SoftDelete,
    lifecycle: Lifecycle,
    versioning: Versioning,
    retention_policy: Retention,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SoftDelete {
    /// Google writes 64-bit numbers as texts.
    retention_duration_seconds: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Lifecycle {
    rule: Vec<Rule>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Rule {
    action: Action,
    condition: Condition,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Action {
    r#type: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    age: Option<u64>,
    is_live: Option<bool>,
    matches_prefix: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Versioning {
    enabled: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Retention {
    retention_period: String,
}

impl Rule {
    /// The age at which it deletes audio that was uploaded.
    fn deletes_after(&self) -> Option<u64> {
        let prefixes = &self.condition.matches_prefix;
        let is_about_audio = prefixes.is_empty() || prefixes.iter().any(|prefix| PREFIX.starts_with(prefix.as_str()));
        let deletes = self.action.r#type == "Delete" && self.condition.is_live != Some(false) && is_about_audio;
        self.condition.age.filter(|_| deletes)
    }
}

impl From<Bucket> for BucketSettings {
    fn from(bucket: Bucket) -> Self {
        Self {
            soft_delete_seconds: bucket.soft_delete_policy.retention_duration_seconds.parse().unwrap_or(0),
            deletes_after_days: bucket.lifecycle.rule.iter().filter_map(Rule::deletes_after).min(),
            keeps_versions: bucket.versioning.enabled,
            retention_seconds: bucket.retention_policy.retention_period.parse().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> BucketSettings {
        serde_json::from_str::<Bucket>(text).unwrap().into()
    }

    #[test]
    fn settings_are_read_as_google_writes_them() {
        assert_eq!(read("{}"), BucketSettings::default());
        let whole = read(
            r#"{"softDeletePolicy": {"retentionDurationSeconds": "604800", "effectiveTime": "2026-01-01T00:00:00Z"},
                "versioning": {"enabled": true}, "retentionPolicy": {"retentionPeriod": "86400", "isLocked": false},
                "lifecycle": {"rule": [
                    {"action": {"type": "SetStorageClass", "storageClass": "NEARLINE"}, "condition": {"age": 3}},
                    {"action": {"type": "Delete"}, "condition": {"age": 7, "isLive": false}},
                    {"action": {"type": "Delete"}, "condition": {"age": 8, "matchesPrefix": ["logs/"]}},
                    {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["logs/", "uploads/"]}},
                    {"action": {"type": "Delete"}, "condition": {"age": 90}}]}}"#,
        );
        let expected = BucketSettings {
            soft_delete_seconds: 604_800,
            deletes_after_days: Some(30),
            keeps_versions: true,
            retention_seconds: 86_400,
        };
        assert_eq!(whole, expected);
    }
}
