//! Connects Google's services with the use cases. Each adapter connects at its first call, so that a start takes
//! milliseconds and does not fail when a service is down.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use config::Config;
use flow::Services;
use flow::ports::{AlwaysAdmit, Blobs, Clock, Feed, Identity, Push, Queue, Random, Store, TaskIdentity, Uploads};
use gcp::cloud_storage::Storage;
use gcp::{
    AccessToken, CloudTasks, CloudTasksSettings, Fcm, FcmSettings, FirebaseIdentity, FirebaseSettings, FirestoreStore,
    GcsBlobs, GcsUploads, GivenToken, GoogleTaskIdentity, GoogleToken, InvalidSetting, TaskIdentitySettings, TaskOidc,
};
use secrecy::SecretString;
use system::{SystemClock, SystemRandom};

use crate::environment::Environment;
use crate::options::{self, Options};

/// The token for emulators, which accept any.
const EMULATED: &str = "owner";

pub struct Adapters {
    pub services: Services,
    pub identity: Arc<dyn Identity>,
    pub task_identity: Option<Arc<dyn TaskIdentity>>,
    pub storage: Arc<Storage>,
    pub firestore: Arc<FirestoreStore>,
}

/// A field of an adapter's settings, the configuration key from which it comes, and a valid example.
type Keys = [(&'static str, &'static str, &'static str)];

const QUEUE_KEYS: &Keys = &[
    ("queue", "cloud.queue and cloud.location", "afterword and europe-west1"),
    ("process_url", "cloud.process_url", "https://afterword-process-abc.a.run.app"),
    ("secret", "tasks.secret", "the output of: openssl rand -hex 32"),
    ("service_account", "cloud.task_service_account", "tasks@my-project.iam.gserviceaccount.com"),
    ("audience", "cloud.task_audience", "https://afterword-process-abc.a.run.app"),
    ("dispatch_deadline", "queue.dispatch_deadline_seconds", "1800"),
    ("deadline", "cloud.call_seconds", "60"),
];
const PUSH_KEYS: &Keys = &[
    ("project", "cloud.project", "my-project"),
    ("endpoint", "cloud.fcm_url", "https://fcm.googleapis.com"),
    ("total", "cloud.call_seconds", "60"),
];
const USER_KEYS: &Keys = &[
    ("project", "cloud.project", "my-project"),
    (
        "keys_url",
        "cloud.firebase_keys_url",
        "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
    ),
    ("keys_limit", "cloud.call_seconds", "60"),
];
const TASK_KEYS: &Keys = &[
    ("audience", "cloud.task_audience", "https://afterword-process-abc.a.run.app"),
    ("service_accounts", "cloud.task_service_account", "tasks@my-project.iam.gserviceaccount.com"),
    ("keys_url", "cloud.google_keys_url", "https://www.googleapis.com/oauth2/v3/certs"),
    ("keys_limit", "cloud.call_seconds", "60"),
];

/// Converts an adapter's error about one of its settings into one that names the configuration key.
fn name_key(keys: &'static Keys) -> impl Fn(InvalidSetting) -> anyhow::Error {
    |invalid_setting| match keys.iter().find(|(setting, ..)| *setting == invalid_setting.setting) {
        Some((_, key, example)) => options::wrong(key, &invalid_setting.why, example),
        None => anyhow::anyhow!("configuration: {invalid_setting}"),
    }
}

pub fn adapters(options: &Options) -> Result<Adapters> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let store = Arc::new(store(&options.project, &options.config, &options.environment));
    let storage = Arc::new(Storage::new(storage_settings(options), Arc::clone(&clock), Arc::clone(&random)));
    let queue = CloudTasks::new(queue_settings(options), Arc::clone(&clock), Arc::clone(&random));
    let queue = queue.map_err(name_key(QUEUE_KEYS))?;
    let push =
        Fcm::new(push_settings(options), push_token(options), Arc::clone(&clock)).map_err(name_key(PUSH_KEYS))?;
    let services = Services {
        feed: Arc::clone(&store) as Arc<dyn Feed>,
        store: Arc::clone(&store) as Arc<dyn Store>,
        blobs: Arc::new(GcsBlobs::new(Arc::clone(&storage))) as Arc<dyn Blobs>,
        uploads: Arc::new(GcsUploads::new(Arc::clone(&storage))) as Arc<dyn Uploads>,
        queue: Arc::new(queue) as Arc<dyn Queue>,
        push: Arc::new(push) as Arc<dyn Push>,
        admission: Arc::new(AlwaysAdmit),
        clock: Arc::clone(&clock),
        random,
        detection: engines::detection(&options.config)?,
        settings: Arc::new(options.settings.clone()),
        staging: Default::default(),
        instance: Default::default(),
    };
    let identity = FirebaseIdentity::new(identity_settings(options), Arc::clone(&clock));
    let identity = identity.map_err(name_key(USER_KEYS))?;
    Ok(Adapters {
        services,
        identity: Arc::new(identity),
        task_identity: task_identity(options, clock)?,
        storage,
        firestore: store,
    })
}

pub fn store(project: &str, config: &Config, environment: &Environment) -> FirestoreStore {
    let mut settings = gcp::firestore::Settings::new(project);
    settings.database = config.cloud.database.clone();
    settings.endpoint = environment.firestore.clone();
    let most = Duration::from_secs(config.cloud.call_seconds);
    settings.connect = settings.connect.min(most);
    settings.request = settings.request.min(most);
    settings.operation = settings.operation.min(most);
    FirestoreStore::new(settings)
}

fn storage_settings(options: &Options) -> gcp::cloud_storage::Settings {
    let mut settings = gcp::cloud_storage::Settings::new(options.config.cloud.bucket.clone());
    settings.endpoint = options.environment.storage.clone();
    settings.grpc_endpoint = options.environment.storage_grpc.clone();
    settings.policy.attempt = settings.policy.attempt.min(options.longest_call());
    settings.policy.retry.total = settings.policy.retry.total.min(options.longest_call());
    settings
}

fn queue_settings(options: &Options) -> CloudTasksSettings {
    let (cloud, secret) = (&options.config.cloud, SecretString::from(options.secret.expose_for_sending()));
    let mut settings = CloudTasksSettings::new(options.queue(), cloud.process_url.clone(), secret);
    settings.dispatch_deadline = Duration::from_secs(options.config.queue.dispatch_deadline_seconds);
    settings.emulator = options.environment.tasks.clone();
    settings.attempt = settings.attempt.min(options.longest_call());
    settings.deadline = settings.deadline.min(options.longest_call());
    settings.oidc = (!cloud.task_audience.is_empty()).then(|| TaskOidc {
        service_account: cloud.task_service_account.clone(),
        audience: cloud.task_audience.clone(),
    });
    settings
}

fn push_settings(options: &Options) -> FcmSettings {
    let mut settings = FcmSettings::new(options.project.clone());
    settings.endpoint = options.config.cloud.fcm_url.clone();
    settings.total = settings.total.min(options.longest_call());
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
    settings.keys_limit = settings.keys_limit.min(options.longest_call());
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
    settings.keys_limit = settings.keys_limit.min(options.longest_call());
    let identity = GoogleTaskIdentity::new(settings, clock).map_err(name_key(TASK_KEYS))?;
    Ok(Some(Arc::new(identity)))
}
