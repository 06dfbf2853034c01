//! `doctor` tries every permission that a function needs by a call that leaves no lasting change, and says what to do.

use std::time::Duration;

use anyhow::{Result, bail};
use domain::{DeviceId, Uid};
use flow::ports::{Device, Platform, PushMessage, PushOutcome};
use flow::{Error, Kind};
use gcp::{Cause, Diagnosis};
use system::output::print_line;

use crate::adapters::{Adapters, adapters};
use crate::function::Function;
use crate::options::Options;

mod finding;

use finding::Finding;

/// The time for one check, including its retries.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);
/// The time in which a speech model has to be loaded.
const LOADING_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// A push token that no device has: FCM says so only to callers that may send.
const UNKNOWN_DEVICE: &str = "doctor";
/// A well-formed token without a valid signature: `{"alg":"RS256","kid":"doctor","typ":"JWT"}.{}`.
const UNSIGNED_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImRvY3RvciIsInR5cCI6IkpXVCJ9.e30.AA";

/// Prints a line for each check; returns an error if one of them failed.
pub async fn run(function: Function, options: &Options) -> Result<()> {
    let adapters = adapters(options)?;
    let mut findings = store(options, &adapters).await;
    findings.extend(storage(options, &adapters).await);
    findings.push(queue(options, &adapters).await);
    match function {
        Function::Upload => findings.push(identity(options, &adapters).await),
        Function::Process => {
            findings.push(push(options, &adapters).await);
            findings.push(engine(options).await);
        }
    }
    for finding in &findings {
        print_line(finding)?;
    }
    let failed = findings.iter().filter(|finding| finding.diagnosis.is_some()).count();
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

/// The indexes are checked only where the database answers.
async fn store(options: &Options, adapters: &Adapters) -> Vec<Finding> {
    let database = format!("Firestore: database {} of project {}", options.config.cloud.database, options.project);
    let ready = timed(adapters.services.store.ready()).await;
    let mut findings = vec![Finding::of(database, &ready)];
    if ready.is_ok() {
        findings.push(Finding::of("Firestore: its indexes", &timed(adapters.firestore.indexes()).await));
    }
    findings
}

/// An error that concerns all permissions alike is reported once.
async fn storage(options: &Options, adapters: &Adapters) -> Vec<Finding> {
    let bucket = &options.config.cloud.bucket;
    let whole = format!("Cloud Storage: bucket {bucket}");
    let tried = match timed(async { Ok(gcp::cloud_storage::permissions(&adapters.storage).await) }).await {
        Ok(tried) => tried,
        Err(error) => return vec![Finding::of::<()>(whole, &Err(error))],
    };
    let is_of_all = |error: &Error| Diagnosis::of(error).is_some_and(|diagnosis| diagnosis.why != Cause::Refused);
    if let Some(of_all) = tried.iter().find(|one| one.outcome.as_ref().is_err_and(is_of_all)) {
        return vec![Finding::of(whole, &of_all.outcome)];
    }
    let named = |name: &str| format!("Cloud Storage: {name} in bucket {bucket}");
    tried.iter().map(|one| Finding::of(named(one.name), &one.outcome)).collect()
}

async fn queue(options: &Options, adapters: &Adapters) -> Finding {
    Finding::of(format!("Cloud Tasks: {}", options.queue()), &timed(adapters.services.queue.ready()).await)
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

/// Refusing the token is the expected result: it shows that the keys could be loaded.
async fn identity(options: &Options, adapters: &Adapters) -> Finding {
    let what = format!("Firebase identity: the keys for tokens of project {}", options.project);
    match timed(adapters.identity.verify(UNSIGNED_TOKEN)).await {
        Ok(_) => Finding::fine(what),
        Err(error) => {
            let why = error.source.as_ref().map_or_else(|| error.to_string(), ToString::to_string);
            let fact = format!("{}: {why}", options.config.cloud.firebase_keys_url);
            let remedy = "this address has to be reachable from here; it is cloud.firebase_keys_url (environment: \
                          AFTERWORD_CLOUD_FIREBASE_KEYS_URL)";
            Finding::bad(what, fact, remedy)
        }
    }
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
