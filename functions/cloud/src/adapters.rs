//! Google's services under the use cases. Nothing connects here: each does with its first call, so that a start takes
//! milliseconds and a service that is down stops no start.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use config::Config;
use flow::World;
use flow::ports::{AlwaysAdmit, Blobs, Clock, Feed, Identity, Push, Queue, Random, Store, TaskIdentity, Uploads};
use gcp::storage::Storage;
use gcp::{
    AccessToken, CloudTasks, CloudTasksSettings, Fcm, FcmSettings, FirebaseIdentity, FirebaseSettings, FirestoreStore,
    GcsBlobs, GcsUploads, GivenToken, GoogleTaskIdentity, GoogleToken, TaskIdentitySettings, TaskOidc,
};
use secrecy::SecretString;
use system::{SystemClock, SystemRandom};

use crate::environment::Environment;
use crate::options::Options;

/// Emulators take any token.
const EMULATED: &str = "owner";

pub struct Adapters {
    pub world: World,
    pub identity: Arc<dyn Identity>,
    pub task_identity: Option<Arc<dyn TaskIdentity>>,
    pub storage: Arc<Storage>,
}

pub fn adapters(options: &Options) -> Result<Adapters> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let store = Arc::new(store(&options.project, &options.config, &options.environment));
    let storage = Arc::new(Storage::new(storage_settings(options), Arc::clone(&clock), Arc::clone(&random)));
    let queue = CloudTasks::new(queue_settings(options), Arc::clone(&clock), Arc::clone(&random));
    let push = Fcm::new(push_settings(options), push_token(options), Arc::clone(&clock));
    let world = World {
        feed: Arc::clone(&store) as Arc<dyn Feed>,
        store: store as Arc<dyn Store>,
        blobs: Arc::new(GcsBlobs::new(Arc::clone(&storage))) as Arc<dyn Blobs>,
        uploads: Arc::new(GcsUploads::new(Arc::clone(&storage))) as Arc<dyn Uploads>,
        queue: Arc::new(queue.context("configuration")?) as Arc<dyn Queue>,
        push: Arc::new(push.context("configuration")?) as Arc<dyn Push>,
        admission: Arc::new(AlwaysAdmit),
        clock: Arc::clone(&clock),
        random,
        detection: hearing::detection(&options.config)?,
        settings: Arc::new(options.settings.clone()),
        staging: Default::default(),
    };
    let identity = FirebaseIdentity::new(identity_settings(options), Arc::clone(&clock)).context("configuration")?;
    Ok(Adapters { world, identity: Arc::new(identity), task_identity: task_identity(options, clock)?, storage })
}

pub fn store(project: &str, config: &Config, environment: &Environment) -> FirestoreStore {
    let mut settings = gcp::store::Settings::new(project);
    settings.database = config.cloud.database.clone();
    settings.endpoint = environment.firestore.clone();
    FirestoreStore::new(settings)
}

fn storage_settings(options: &Options) -> gcp::storage::Settings {
    let mut settings = gcp::storage::Settings::new(options.config.cloud.bucket.clone());
    settings.endpoint = options.environment.storage.clone();
    settings.grpc_endpoint = options.environment.storage_grpc.clone();
    settings
}

fn queue_settings(options: &Options) -> CloudTasksSettings {
    let (cloud, secret) = (&options.config.cloud, SecretString::from(options.secret.expose_for_sending()));
    let mut settings = CloudTasksSettings::new(options.queue(), cloud.process_url.clone(), secret);
    settings.dispatch_deadline = Duration::from_secs(options.config.queue.dispatch_deadline_seconds);
    settings.emulator = options.environment.tasks.clone();
    settings.oidc = (!cloud.task_audience.is_empty()).then(|| TaskOidc {
        service_account: cloud.task_service_account.clone(),
        audience: cloud.task_audience.clone(),
    });
    settings
}

fn push_settings(options: &Options) -> FcmSettings {
    let mut settings = FcmSettings::new(options.project.clone());
    settings.endpoint = options.config.cloud.fcm_url.clone();
    settings
}

/// Beside emulators there are no credentials of Google's.
fn push_token(options: &Options) -> Arc<dyn AccessToken> {
    if options.environment.firestore.is_some() {
        return Arc::new(GivenToken(SecretString::from(EMULATED)));
    }
    Arc::new(GoogleToken::default())
}

fn identity_settings(options: &Options) -> FirebaseSettings {
    let mut settings = FirebaseSettings::new(options.project.clone());
    settings.keys_url = options.config.cloud.firebase_keys_url.clone();
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
    let identity = GoogleTaskIdentity::new(settings, clock).context("configuration")?;
    Ok(Some(Arc::new(identity)))
}
