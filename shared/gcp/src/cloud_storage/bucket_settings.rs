//! The settings of the bucket on which deletion depends.

use std::collections::HashMap;
use std::sync::Arc;

use flow::Result;
use serde::Deserialize;
use serde_json::Value;

use super::Storage;

/// What the names of all audio begin with.
const PREFIX: &str = "uploads/";
const FIELDS: &str = "softDeletePolicy,lifecycle,versioning,retentionPolicy";
/// Reading them needs `storage.buckets.get`, which the functions do not need otherwise.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BucketSettings {
    /// How long deleted audio is kept all the same; zero if soft delete is off.
    pub soft_delete_seconds: u64,
    /// After how many days the lifecycle deletes all audio; `None` if it does not.
    pub deletes_after_days: Option<u64>,
    /// After how many days the lifecycle deletes some audio, by rules with further conditions; `None` if there are no such
    /// rules.
    pub deletes_some_after_days: Option<u64>,
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

/// All conditions of a rule have to hold.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    age: Option<u64>,
    is_live: Option<bool>,
    matches_prefix: Vec<String>,
    /// Conditions that only old versions of objects meet.
    num_newer_versions: Option<u64>,
    days_since_noncurrent_time: Option<u64>,
    noncurrent_time_before: Option<String>,
    /// Conditions on a time that our objects do not have.
    days_since_custom_time: Option<u64>,
    custom_time_before: Option<String>,
    /// Anything else, such as a storage class or a date, holds for some audio and not for other audio.
    #[serde(flatten)]
    further: HashMap<String, Value>,
}

impl Condition {
    fn is_met_by_no_audio(&self) -> bool {
        let is_of_old_versions = self.is_live == Some(false)
            || self.num_newer_versions.is_some_and(|versions| versions > 0)
            || self.days_since_noncurrent_time.is_some()
            || self.noncurrent_time_before.is_some();
        let is_of_custom_time = self.days_since_custom_time.is_some() || self.custom_time_before.is_some();
        let may_match = |prefix: &String| PREFIX.starts_with(prefix.as_str()) || prefix.starts_with(PREFIX);
        let is_of_other_names = !self.matches_prefix.is_empty() && !self.matches_prefix.iter().any(may_match);
        is_of_old_versions || is_of_custom_time || is_of_other_names
    }

    fn is_met_by_all_audio_of_its_age(&self) -> bool {
        let prefixes = &self.matches_prefix;
        let is_of_all_names = prefixes.is_empty() || prefixes.iter().any(|prefix| PREFIX.starts_with(prefix.as_str()));
        let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        is_of_all_names && self.further.values().all(is_empty) && !self.is_met_by_no_audio()
    }
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
    /// The age at which it deletes audio, and whether it deletes all audio of that age.
    fn deletes_after(&self) -> Option<(u64, bool)> {
        let condition = &self.condition;
        if self.action.r#type != "Delete" || condition.is_met_by_no_audio() {
            return None;
        }
        // Without an age, whatever meets the other conditions is deleted at once.
        Some((condition.age.unwrap_or(0), condition.is_met_by_all_audio_of_its_age()))
    }
}

impl From<Bucket> for BucketSettings {
    fn from(bucket: Bucket) -> Self {
        let rules = || bucket.lifecycle.rule.iter().filter_map(Rule::deletes_after);
        let days = |all: bool| rules().filter(|(_, of_all)| *of_all == all).map(|(days, _)| days).min();
        Self {
            soft_delete_seconds: bucket.soft_delete_policy.retention_duration_seconds.parse().unwrap_or(0),
            deletes_after_days: days(true),
            deletes_some_after_days: days(false),
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
            deletes_some_after_days: None,
            keeps_versions: true,
            retention_seconds: 86_400,
        };
        assert_eq!(whole, expected);
    }

    #[test]
    fn rule_with_further_conditions_deletes_only_some_audio() {
        for (condition, all, some) in [
            (r#"{"age": 30, "isLive": true, "matchesSuffix": []}"#, Some(30), None),
            (r#"{"age": 30, "matchesPrefix": ["up", "x"]}"#, Some(30), None),
            (r#"{"age": 3, "matchesStorageClass": ["NEARLINE"]}"#, None, Some(3)),
            (r#"{"age": 3, "matchesSuffix": [".bin"]}"#, None, Some(3)),
            (r#"{"age": 3, "matchesPrefix": ["uploads/ann/"]}"#, None, Some(3)),
            (r#"{"age": 3, "createdBefore": "2026-01-01"}"#, None, Some(3)),
            (r#"{"createdBefore": "2026-01-01"}"#, None, Some(0)),
            (r#"{"age": 3, "aConditionOfTomorrow": 1}"#, None, Some(3)),
            (r#"{"age": 3, "numNewerVersions": 1}"#, None, None),
            (r#"{"age": 3, "daysSinceNoncurrentTime": 1}"#, None, None),
            (r#"{"age": 3, "noncurrentTimeBefore": "2026-01-01"}"#, None, None),
            (r#"{"age": 3, "daysSinceCustomTime": 1}"#, None, None),
            (r#"{"age": 3, "customTimeBefore": "2026-01-01"}"#, None, None),
            (r#"{"age": 3, "matchesPrefix": ["logs/"]}"#, None, None),
        ] {
            let rule = format!(r#"{{"action": {{"type": "Delete"}}, "condition": {condition}}}"#);
            let found = read(&format!(r#"{{"lifecycle": {{"rule": [{rule}]}}}}"#));
            assert_eq!((found.deletes_after_days, found.deletes_some_after_days), (all, some), "{condition}");
        }
    }
}
