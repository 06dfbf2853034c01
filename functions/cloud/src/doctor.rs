//! `doctor` tries everything that a function needs by a call that leaves no lasting change, and says what to do.

use std::time::Duration;

use anyhow::{Result, bail};
use domain::{DeviceId, Uid};
use flow::ports::{Device, Platform, PushMessage, PushOutcome};
use flow::{Error, Kind};
use system::output::print_line;

use crate::adapters::{Adapters, adapters};
use crate::function::Function;
use crate::options::Options;

mod bucket;
mod finding;
mod queue;

use finding::Finding;

/// The time for one check, including its retries.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// The time in which a speech model has to be loaded.
const LOADING_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// A push token that no device has: FCM says so only to callers that may send.
const UNKNOWN_DEVICE: &str = "doctor";

/// Prints a line for each check; returns an error if one of them failed.
pub async fn run(function: Function, options: &Options) -> Result<()> {
    let adapters = adapters(options)?;
    let mut findings = store(options, &adapters).await;
    findings.extend(bucket::check(options, &adapters).await);
    findings.extend(queue::check(options, &adapters).await);
    match function {
        Function::Upload => findings.push(identity(options, &adapters).await),
        Function::Process => {
            findings.extend(task_identity(options, &adapters).await);
            findings.push(push(options, &adapters).await);
            findings.push(engine(options).await);
        }
    }
    for finding in &findings {
        print_line(finding)?;
    }
    let failed = findings.iter().filter(|finding| finding.has_failed()).count();
    if failed > 0 {
        bail!("{failed} of {} checks failed", findings.len());
    }
    Ok(print_line(format_args!("{} can do all that it needs to.", function.name()))?)
}

/// Limits the time of a check, with an error that says so.
async fn timed<T>(work: impl Future<Output = flow::Result<T>>) -> flow::Result<T> {
    let late = || {
        let silence = format!("no answer within {} s", CHECK_TIMEOUT.as_secs());
        Err(Error::new(Kind::Unavailable, "doctor", "").because(silence))
    };
    tokio::time::timeout(CHECK_TIMEOUT, work).await.unwrap_or_else(|_| late())
}

/// Commits and indexes are checked only where the database answers.
async fn store(options: &Options, adapters: &Adapters) -> Vec<Finding> {
    let database = format!("Firestore: database {} of project {}", options.config.cloud.database, options.project);
    let firestore = &adapters.firestore;
    let read = timed(firestore.can_read()).await;
    let mut findings = vec![Finding::of(database, &read)];
    if read.is_ok() {
        findings
            .push(Finding::of("Firestore: a commit, refused by its condition", &timed(firestore.can_commit()).await));
        findings.push(Finding::of("Firestore: its indexes", &timed(firestore.indexes()).await));
    }
    findings
}

async fn push(options: &Options, adapters: &Adapters) -> Finding {
    let what = format!("Firebase Cloud Messaging: project {}", options.project);
    let now = adapters.services.now();
    let sent = async {
        let Ok((uid, id)) = ids() else { return Ok(PushOutcome::Sent) };
        let device = Device {
            uid,
            id,
            platform: Platform::Android,
            token: UNKNOWN_DEVICE.to_owned(),
            registered_at: now,
            used_at: now,
        };
        adapters.services.push.send(&device, &PushMessage { data: Default::default() }).await
    };
    match timed(sent).await {
        Ok(PushOutcome::Rejected(why)) => {
            Finding::bad(what, why, "see whether the project is one of Firebase, and cloud.fcm_url Google's address")
        }
        Ok(PushOutcome::Later(_)) => Finding::bad(what, "the service asks to be asked later", "try again in a minute"),
        outcome => Finding::of(what, &outcome),
    }
}

fn ids() -> Result<(Uid, DeviceId)> {
    Ok((Uid::new(UNKNOWN_DEVICE)?, DeviceId::new(UNKNOWN_DEVICE)?))
}

async fn identity(options: &Options, adapters: &Adapters) -> Finding {
    let what = format!("Firebase identity: the keys for tokens of project {}", options.project);
    let url = ("cloud.firebase_keys_url", options.config.cloud.firebase_keys_url.as_str());
    keys(what, url, timed(adapters.identity.ready()).await)
}

/// Without these keys, every delivery of a task and every call of the scheduler is answered 503.
async fn task_identity(options: &Options, adapters: &Adapters) -> Option<Finding> {
    let account = &options.config.cloud.task_service_account;
    let what = format!("task identity: the keys for tokens of {account}");
    let url = ("cloud.google_keys_url", options.config.cloud.google_keys_url.as_str());
    let identity = adapters.task_identity.as_ref()?;
    Some(keys(what, url, timed(identity.ready()).await))
}

fn keys(what: String, (key, url): (&str, &str), ready: flow::Result<()>) -> Finding {
    let Err(error) = ready else { return Finding::fine(what) };
    let why = error.source.as_ref().map_or_else(|| error.to_string(), ToString::to_string);
    let variable = config::key(key).map(config::Key::variable).unwrap_or_default();
    let remedy = format!("this address has to be reachable from here; it is {key} (environment: {variable})");
    Finding::bad(what, format!("{url}: {why}"), remedy)
}

#[expect(clippy::disallowed_methods, reason = "a person waits for this, not a use case")]
async fn engine(options: &Options) -> Finding {
    const REMEDY: &str = "look at [engine] in what `config` prints";
    let name = options.config.engine.name.clone();
    let engine = match engines::engine(&options.config) {
        Ok(engine) => engine,
        Err(error) => return Finding::bad(format!("speech engine: {name}"), format!("{error:#}"), REMEDY),
    };
    let what = format!("speech engine: {}", engine.name());
    let wait = async {
        loop {
            match engine.ready().await {
                Err(error) if error.retry != speech::RetryClass::Misconfigured => {
                    tokio::time::sleep(POLL_INTERVAL).await
                }
                known => return known,
            }
        }
    };
    match tokio::time::timeout(LOADING_TIMEOUT, wait).await {
        Ok(Ok(_)) => Finding::fine(what),
        Ok(Err(error)) => Finding::bad(what, error.to_string(), REMEDY),
        Err(_) => Finding::bad(what, format!("it is not ready after {} s", LOADING_TIMEOUT.as_secs()), REMEDY),
    }
}
