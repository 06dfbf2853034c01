//! Connects Google's services with the use cases. Each adapter connects at its first call, so that a start takes
//! milliseconds and does not fail when a service is down.

use std::sync::Arc;

use anyhow::Result;
use config::Config;
use flow::Services;
use flow::clock_guard::ClockGuard;
use flow::instance::Instance;
use flow::ports::{AlwaysAdmit, Blobs, Clock, Feed, Identity, Push, Queue, Random, Store, TaskIdentity, Uploads};
use gcp::cloud_storage::Storage;
use gcp::{
    AccessToken, CloudTasks, CloudTasksSettings, Fcm, FcmSettings, FirebaseIdentity, FirebaseSettings, FirestoreStore,
    GcsBlobs, GcsUploads, GivenToken, GoogleTaskIdentity, GoogleToken, InvalidSetting, TaskIdentitySettings, TaskOidc,
};
use secrecy::SecretString;
use system::{BUILT_AT, SystemClock, SystemRandom};

use crate::environment::Environment;
use crate::options::{self, Options};

/// The token for emulators, which accept any.
const EMULATED: &str = "owner";

pub struct Adapters {
    pub services: Services,
    pub identity: Arc<dyn Identity>,
    pub task_identity: Option<Arc<dyn TaskIdentity>>,
    pub storage: Arc<Storage>,
    pub queue: Arc<CloudTasks>,
    pub firestore: Arc<FirestoreStore>,
}

/// A field of an adapter's settings, and the configuration keys from which it comes.
type Fields = [(&'static str, &'static [&'static str])];

const QUEUE_FIELDS: &Fields = &[
    ("queue", &["cloud.queue", "cloud.location"]),
    ("process_url", &["cloud.process_url"]),
    ("secret", &["tasks.secret"]),
    ("service_account", &["cloud.task_service_account"]),
    ("audience", &["cloud.task_audience"]),
    ("dispatch_deadline", &["queue.dispatch_deadline_seconds"]),
    ("deadline", &["cloud.call_seconds"]),
];
const PUSH_FIELDS: &Fields =
    &[("project", &["cloud.project"]), ("endpoint", &["cloud.fcm_url"]), ("total", &["cloud.call_seconds"])];
const USER_FIELDS: &Fields = &[
    ("project", &["cloud.project"]),
    ("keys_url", &["cloud.firebase_keys_url"]),
    ("keys_limit", &["cloud.call_seconds"]),
];
const TASK_FIELDS: &Fields = &[
    ("audience", &["cloud.task_audience"]),
    ("service_accounts", &["cloud.task_service_account"]),
    ("keys_url", &["cloud.google_keys_url"]),
    ("keys_limit", &["cloud.call_seconds"]),
];

/// Converts an adapter's error about one of its settings into one that names the configuration keys.
fn name_keys(fields: &'static Fields) -> impl Fn(InvalidSetting) -> anyhow::Error {
    |invalid_setting| match fields.iter().find(|(field, _)| *field == invalid_setting.setting) {
        Some((_, keys)) => options::wrong(keys, &invalid_setting.why),
        None => anyhow::anyhow!("configuration: {invalid_setting}"),
    }
}

pub fn adapters(options: &Options) -> Result<Adapters> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let store = Arc::new(store(&options.project, &options.config, &options.environment));
    let storage = Arc::new(Storage::new(storage_settings(options), Arc::clone(&clock), Arc::clone(&random)));
    let queue = CloudTasks::new(queue_settings(options), Arc::clone(&clock), Arc::clone(&random));
    let queue = Arc::new(queue.map_err(name_keys(QUEUE_FIELDS))?);
    let push =
        Fcm::new(push_settings(options), push_token(options), Arc::clone(&clock)).map_err(name_keys(PUSH_FIELDS))?;
    let services = Services {
        feed: Arc::clone(&store) as Arc<dyn Feed>,
        store: Arc::clone(&store) as Arc<dyn Store>,
        blobs: Arc::new(GcsBlobs::new(Arc::clone(&storage))) as Arc<dyn Blobs>,
        uploads: Arc::new(GcsUploads::new(Arc::clone(&storage))) as Arc<dyn Uploads>,
        queue: Arc::clone(&queue) as Arc<dyn Queue>,
        push: Arc::new(push) as Arc<dyn Push>,
        admission: Arc::new(AlwaysAdmit),
        clock: Arc::clone(&clock),
        random,
        detection: engines::detection(&options.config)?,
        settings: Arc::new(options.settings.clone()),
        staging: Default::default(),
        // The newest stored change is not asked for: no query of Firestore finds it without an index of its own.
        instance: Arc::new(Instance::with_clock_guard(ClockGuard::unless_trusted(
            options.config.server.trust_clock,
            BUILT_AT,
            None,
        ))),
    };
    let identity = FirebaseIdentity::new(identity_settings(options), Arc::clone(&clock));
    let identity = identity.map_err(name_keys(USER_FIELDS))?;
    Ok(Adapters {
        services,
        identity: Arc::new(identity),
        task_identity: task_identity(options, clock)?,
        storage,
        queue,
        firestore: store,
    })
}

pub fn store(project: &str, config: &Config, environment: &Environment) -> FirestoreStore {
    let mut settings = gcp::firestore::Settings::new(project);
    settings.database = config.cloud.database.clone();
    settings.endpoint = environment.firestore.clone();
    let most = config.cloud.call_limit;
    settings.connect = settings.connect.min(most);
    settings.request = settings.request.min(most);
    settings.operation = settings.operation.min(most);
    settings.spare = settings.spare.min(settings.operation / 3);
    FirestoreStore::new(settings)
}

fn storage_settings(options: &Options) -> gcp::cloud_storage::Settings {
    let mut settings = gcp::cloud_storage::Settings::new(options.config.cloud.bucket.clone());
    settings.endpoint = options.environment.storage.clone();
    settings.grpc_endpoint = options.environment.storage_grpc.clone();
    settings.policy.attempt = settings.policy.attempt.min(options.config.cloud.call_limit);
    settings.policy.retry.total = settings.policy.retry.total.min(options.config.cloud.call_limit);
    settings
}

fn queue_settings(options: &Options) -> CloudTasksSettings {
    let (cloud, secret) = (&options.config.cloud, SecretString::from(options.secret.expose_for_sending()));
    let mut settings = CloudTasksSettings::new(options.queue(), cloud.process_url.clone(), secret);
    settings.dispatch_deadline = options.config.queue.dispatch_deadline;
    settings.emulator = options.environment.tasks.clone();
    settings.attempt = settings.attempt.min(options.config.cloud.call_limit);
    settings.deadline = settings.deadline.min(options.config.cloud.call_limit);
    settings.oidc = (!cloud.task_audience.is_empty()).then(|| TaskOidc {
        service_account: cloud.task_service_account.clone(),
        audience: cloud.task_audience.clone(),
    });
    settings
}

fn push_settings(options: &Options) -> FcmSettings {
    let mut settings = FcmSettings::new(options.project.clone());
    settings.endpoint = options.config.cloud.fcm_url.clone();
    settings.total = settings.total.min(options.config.cloud.call_limit);
    settings
}

/// With emulators there are no Google credentials.
fn push_token(options: &Options) -> Arc<dyn AccessToken> {
    if options.environment.firestore.is_some() {
        return Arc::new(GivenToken(SecretString::from(EMULATED)));
    }
    Arc::new(GoogleToken::default())
}

fn identity_settings(options: &Options) -> FirebaseSettings {
    let mut settings = FirebaseSettings::new(options.project.clone());
    settings.keys_url = options.config.cloud.firebase_keys_url.clone();
    settings.keys_limit = settings.keys_limit.min(options.config.cloud.call_limit);
    settings.emulator_host = options.environment.firebase_auth.clone();
    settings
}

fn task_identity(options: &Options, clock: Arc<dyn Clock>) -> Result<Option<Arc<dyn TaskIdentity>>> {
    let cloud = &options.config.cloud;
    if cloud.task_audience.is_empty() {
        return Ok(None);
    }
    let mut settings = TaskIdentitySettings::new(cloud.task_audience.clone(), [cloud.task_service_account.clone()]);
    settings.keys_url = cloud.google_keys_url.clone();
    settings.keys_limit = settings.keys_limit.min(options.config.cloud.call_limit);
    let identity = GoogleTaskIdentity::new(settings, clock).map_err(name_keys(TASK_FIELDS))?;
    Ok(Some(Arc::new(identity)))
}
