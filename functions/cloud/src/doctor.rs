//! `doctor`: every permission that a function needs, tried by a call that changes nothing that lasts, and what to grant.

use std::time::Duration;

use anyhow::{Result, bail};
use domain::{DeviceId, Uid};
use flow::ports::{Device, Platform, PushMessage, PushOutcome};

use crate::adapters::{Adapters, adapters};
use crate::options::Options;
use crate::program::Function;

/// One check, all its tries together.
const PATIENCE: Duration = Duration::from_secs(30);
/// A speech model is loaded in this, or not at all.
const LOADING: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// No device has it: FCM answers that, to those who may send.
const NO_DEVICE: &str = "doctor";
/// Well formed, and signed by nobody: `{"alg":"RS256","kid":"doctor","typ":"JWT"}.{}`.
const NO_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImRvY3RvciIsInR5cCI6IkpXVCJ9.e30.AA";

struct Finding {
    what: String,
    trouble: Option<String>,
    remedy: String,
}

impl Finding {
    fn of<T>(what: impl Into<String>, outcome: Result<T, String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), trouble: outcome.err(), remedy: remedy.into() }
    }
}

/// Prints a line for each check; an error when one of them failed.
pub async fn run(function: Function, options: &Options) -> Result<()> {
    let adapters = adapters(options)?;
    let mut findings = vec![store(options, &adapters).await];
    findings.extend(storage(options, &adapters).await);
    findings.push(queue(options, &adapters).await);
    match function {
        Function::Upload => findings.push(identity(options, &adapters).await),
        Function::Process => {
            findings.push(push(options, &adapters).await);
            findings.push(engine(options).await);
        }
    }
    for Finding { what, trouble, remedy } in &findings {
        match trouble {
            None => println!("ok      {what}"),
            Some(trouble) => println!("FAILED  {what}\n        {trouble}\n        {remedy}"),
        }
    }
    let failed = findings.iter().filter(|finding| finding.trouble.is_some()).count();
    if failed > 0 {
        bail!("{failed} of {} checks failed", findings.len());
    }
    println!("{} can do all that it needs to.", function.name());
    Ok(())
}

async fn timed<T>(work: impl Future<Output = flow::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn store(options: &Options, adapters: &Adapters) -> Finding {
    let what = format!("Firestore: database {} of project {}", options.config.cloud.database, options.project);
    let remedy = "grant roles/datastore.user on the project to the function's service account; make the database if \
                  there is none (Native mode), and its indexes from infra/";
    Finding::of(what, timed(adapters.world.store.ready()).await, remedy)
}

async fn storage(options: &Options, adapters: &Adapters) -> Vec<Finding> {
    let bucket = &options.config.cloud.bucket;
    let tried = async { Ok(gcp::storage::permissions(&adapters.storage).await) };
    let tried = timed(tried).await.unwrap_or_default();
    let remedy = format!("grant roles/storage.objectUser on the bucket {bucket}; make the bucket if there is none");
    let findings = tried.into_iter().map(|permission| {
        let outcome = permission.outcome.map_err(|error| error.to_string());
        Finding::of(format!("Cloud Storage: {} in bucket {bucket}", permission.name), outcome, remedy.clone())
    });
    let findings: Vec<_> = findings.collect();
    if findings.is_empty() {
        let silent: Result<(), _> = Err(format!("no answer within {} s", PATIENCE.as_secs()));
        return vec![Finding::of(format!("Cloud Storage: bucket {bucket}"), silent, remedy)];
    }
    findings
}

async fn queue(options: &Options, adapters: &Adapters) -> Finding {
    let remedy = "grant roles/cloudtasks.enqueuer and roles/cloudtasks.viewer on the queue; with \
                  cloud.task_service_account, roles/iam.serviceAccountUser on that account too";
    Finding::of(format!("Cloud Tasks: {}", options.queue()), timed(adapters.world.queue.ready()).await, remedy)
}

async fn push(options: &Options, adapters: &Adapters) -> Finding {
    let what = format!("Firebase Cloud Messaging: project {}", options.project);
    let remedy = "grant roles/firebasecloudmessaging.admin on the project, and turn the FCM API on";
    let now = adapters.world.now();
    let sent = async {
        let Ok((uid, id)) = ids() else { return Ok(PushOutcome::Sent) };
        let device = Device {
            uid,
            id,
            platform: Platform::Android,
            token: NO_DEVICE.to_owned(),
            registered_at: now,
            used_at: now,
        };
        adapters.world.push.send(&device, &PushMessage { data: Default::default() }).await
    };
    let outcome = match timed(sent).await {
        Ok(PushOutcome::Rejected(why)) => Err(why),
        Ok(PushOutcome::Later(_)) => Err("the service asks to be asked later".to_owned()),
        Ok(PushOutcome::Sent | PushOutcome::Unregistered) => Ok(()),
        Err(error) => Err(error),
    };
    Finding::of(what, outcome, remedy)
}

fn ids() -> Result<(Uid, DeviceId)> {
    Ok((Uid::new(NO_DEVICE)?, DeviceId::new(NO_DEVICE)?))
}

async fn identity(options: &Options, adapters: &Adapters) -> Finding {
    let what = format!("Firebase identity: the keys for tokens of project {}", options.project);
    let remedy = "cloud.firebase_keys_url must be reachable from here";
    // A refusal is what such a token gets, from whoever has the keys.
    Finding::of(what, timed(adapters.identity.verify(NO_TOKEN)).await, remedy)
}

#[expect(clippy::disallowed_methods, reason = "a person waits for this, not a use case")]
async fn engine(options: &Options) -> Finding {
    let name = options.config.engine.name.clone();
    let engine = match hearing::engine(&options.config) {
        Ok(engine) => engine,
        Err(error) => {
            return Finding::of::<()>(
                format!("speech engine: {name}"),
                Err(format!("{error:#}")),
                "see engine in `config`",
            );
        }
    };
    let wait = async {
        loop {
            match engine.ready().await {
                Err(error) if error.retry != speech::Retry::Misconfigured => tokio::time::sleep(LOOK_AGAIN).await,
                known => return known,
            }
        }
    };
    let outcome = match tokio::time::timeout(LOADING, wait).await {
        Ok(known) => known.map_err(|error| error.to_string()),
        Err(_) => Err("it does not become ready".to_owned()),
    };
    Finding::of(format!("speech engine: {}", engine.name()), outcome, "see engine in `config`")
}
