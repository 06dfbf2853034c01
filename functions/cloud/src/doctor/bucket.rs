//! The checks of the bucket: each permission, and the settings on which deletion depends.

use flow::Error;
use gcp::cloud_storage::{BucketSettings, bucket_settings, permissions};
use gcp::{Cause, Diagnosis};

use super::timed;
use crate::adapters::Adapters;
use crate::doctor::finding::Finding;
use crate::options::Options;

const DAY: u64 = 24 * 3600;

/// An error that concerns all permissions alike is reported once.
pub async fn check(options: &Options, adapters: &Adapters) -> Vec<Finding> {
    let bucket = &options.config.cloud.bucket;
    let whole = format!("Cloud Storage: bucket {bucket}");
    let tried = match timed(async { Ok(permissions(&adapters.storage).await) }).await {
        Ok(tried) => tried,
        Err(error) => return vec![Finding::of::<()>(whole, &Err(error))],
    };
    let is_of_all = |error: &Error| Diagnosis::of(error).is_some_and(|diagnosis| diagnosis.why != Cause::Refused);
    if let Some(of_all) = tried.iter().find(|one| one.outcome.as_ref().is_err_and(is_of_all)) {
        return vec![Finding::of(whole, &of_all.outcome)];
    }
    let named = |name: &str| format!("Cloud Storage: {name} in bucket {bucket}");
    let mut findings: Vec<_> = tried.iter().map(|one| Finding::of(named(one.name), &one.outcome)).collect();
    match timed(bucket_settings(&adapters.storage)).await {
        Ok(settings) => findings.extend(of_settings(bucket, &settings, lifecycle_days(options))),
        Err(error) => findings.push(unseen(bucket, &error)),
    }
    findings
}

fn lifecycle_days(options: &Options) -> u64 {
    options.config.cloud.bucket_lifecycle.as_secs() / DAY
}

/// The functions themselves do not need to see the settings.
fn unseen(bucket: &str, error: &Error) -> Finding {
    let what = format!("Cloud Storage: soft delete and lifecycle of bucket {bucket}");
    let diagnosis = Diagnosis::of(error);
    if diagnosis.is_none_or(|diagnosis| diagnosis.why != Cause::Refused) {
        return Finding::of::<()>(
            what,
            &Err(Error::new(error.kind, error.operation, &error.subject).because(error.to_string())),
        );
    }
    let fact = format!("they cannot be seen: {}", diagnosis.map_or("", |diagnosis| &diagnosis.fact));
    let remedy = format!(
        "grant roles/storage.legacyBucketReader on the bucket, or look yourself: gcloud storage buckets describe \
         gs://{bucket} --format='default(soft_delete_policy,lifecycle_config,versioning_enabled,retention_policy)'"
    );
    Finding::note(what, fact, remedy)
}

fn of_settings(bucket: &str, settings: &BucketSettings, days: u64) -> Vec<Finding> {
    let named = |name: &str| format!("Cloud Storage: {name} of bucket {bucket}");
    let update = |option: &str| format!("gcloud storage buckets update gs://{bucket} {option}");
    vec![
        match settings.soft_delete_seconds {
            0 => Finding::fine(named("soft delete")),
            seconds => {
                let fact = format!("deleted audio is kept, and paid for, {} more days", seconds.div_ceil(DAY));
                Finding::bad(named("soft delete"), fact, update("--clear-soft-delete"))
            }
        },
        lifecycle(named("lifecycle"), bucket, settings, days),
        match (settings.retention_seconds, settings.keeps_versions) {
            (0, false) => Finding::fine(named("versions and retention")),
            (0, true) => {
                let fact = "deleted audio is kept as an old version";
                Finding::bad(named("versions and retention"), fact, update("--no-versioning"))
            }
            (seconds, _) => {
                let fact = format!("nothing can be deleted for {} days after it was written", seconds.div_ceil(DAY));
                Finding::bad(named("versions and retention"), fact, update("--clear-retention-period"))
            }
        },
    ]
}

fn lifecycle(what: String, bucket: &str, found: &BucketSettings, days: u64) -> Finding {
    let early = found.deletes_some_after_days.filter(|some| *some < days);
    let fact = match (early, found.deletes_after_days) {
        (None, Some(found)) if found == days => return Finding::fine(what),
        (Some(early), all) if all.is_none_or(|all| early < all) => format!(
            "a rule with further conditions deletes some audio after {early} days, and cloud.bucket_lifecycle_days is \
             {days}: jobs that wait lose their audio"
        ),
        (_, None) if found.deletes_some_after_days.is_some() => {
            "every rule that deletes audio has further conditions, so that some audio that no job owns any more stays \
             for ever"
                .to_owned()
        }
        (_, None) => "no rule deletes audio that no job owns any more".to_owned(),
        (_, Some(found)) => {
            let harm =
                if found < days { "jobs that wait lose their audio" } else { "audio that no job owns stays longer" };
            format!("audio is deleted after {found} days, and cloud.bucket_lifecycle_days is {days}: {harm}")
        }
    };
    let rule = format!(r#"{{"rule":[{{"action":{{"type":"Delete"}},"condition":{{"age":{days}}}}}]}}"#);
    let remedy = format!(
        "echo '{rule}' >lifecycle.json && gcloud storage buckets update gs://{bucket} --lifecycle-file=lifecycle.json"
    );
    Finding::bad(what, fact, remedy)
}
