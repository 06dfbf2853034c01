//! Both functions over emulators of Google Cloud: Google's Firestore emulator, an emulator of Cloud Tasks, our
//! stand-ins for Storage and FCM, and a server for the keys that tokens are signed with.

use std::time::Duration;

use emulators::fcm::Fcm;
use emulators::firestore::{Firestore, firestore};
use emulators::keys::{KeyServer, SigningKey, google};
use emulators::meter::Meter;
use emulators::storage::CloudStorage;
use emulators::tasks::Tasks;
use serde_json::json;

use crate::balancer::Balancer;
use crate::client::Client;
use crate::function::Function;
use crate::wait::{PATIENCE, Stopwatch, eventually, now_secs};

const BUCKET: &str = "afterword-audio";
pub const SECRET: &str = "a-secret-that-only-tests-know-0123456789";
const LOCATION: &str = "europe-west1";
const ACCOUNT: &str = "tasks@demo-afterword.iam.gserviceaccount.com";
const AUDIENCE: &str = "https://process.example.com";
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// The access token of the functions for emulated services.
const EMULATED_TOKEN: &str = "owner";

/// The services of one test.
pub struct Cloud {
    pub storage: CloudStorage,
    pub tasks: Tasks,
    pub fcm: Fcm,
    pub process_url: Balancer,
    pub project: String,
    firestore: &'static Firestore,
    /// The connection between the functions and Firestore.
    firestore_line: Balancer,
    /// The keys of Firebase and of Google; the latter also contain the signing keys of the queue.
    keys: [KeyServer; 2],
    key: &'static SigningKey,
    more: Vec<(String, String)>,
}

impl Cloud {
    /// Returns `Err` with what is missing on this machine.
    pub async fn start() -> Result<Self, String> {
        let firestore = firestore()?;
        let project = firestore.fresh_project();
        let key = google();
        let tasks = Tasks::start_for(&format!("projects/{project}/locations/{LOCATION}/queues/afterword")).await;
        let keys = [KeyServer::start(&[key]).await, KeyServer::start(&[key]).await];
        keys[1].publish_as([tasks.keys().await, vec![key.public()]].concat());
        let firestore_line = Balancer::start().await;
        firestore_line.targets([firestore.endpoint().to_owned()]);
        Ok(Self {
            firestore_line,
            storage: CloudStorage::start(BUCKET).await,
            tasks,
            fcm: Fcm::start_for(&project, EMULATED_TOKEN).await,
            process_url: Balancer::start().await,
            keys,
            project,
            firestore,
            key,
            more: Vec::new(),
        })
    }

    /// Sets a variable of every function that is started from now on.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.more.push((format!("AFTERWORD_{}", key.to_uppercase().replace('.', "_")), value.to_owned()));
        self
    }

    /// Routes every connection to Firestore that is made from now on through this meter.
    pub async fn metered(&self) -> Meter {
        let meter = Meter::to(self.firestore.endpoint()).await;
        self.firestore_line.targets([meter.endpoint().to_owned()]);
        meter
    }

    pub fn env(&self) -> Vec<(String, String)> {
        let settings = [
            ("PORT", "0"),
            ("GOOGLE_CLOUD_PROJECT", self.project.as_str()),
            ("FIRESTORE_EMULATOR_HOST", self.firestore_line.url.as_str()),
            ("STORAGE_EMULATOR_HOST", self.storage.endpoint()),
            // The stand-in, even where the environment names another service: requests are counted, and faults
            // injected, in between.
            ("STORAGE_EMULATOR_GRPC_HOST", self.storage.endpoint()),
            ("CLOUD_TASKS_EMULATOR_HOST", self.tasks.endpoint()),
            ("AFTERWORD_CLOUD_BUCKET", self.storage.bucket()),
            ("AFTERWORD_CLOUD_LOCATION", LOCATION),
            ("AFTERWORD_CLOUD_PROCESS_URL", self.process_url.url.as_str()),
            ("AFTERWORD_CLOUD_TASK_SERVICE_ACCOUNT", ACCOUNT),
            ("AFTERWORD_CLOUD_TASK_AUDIENCE", AUDIENCE),
            ("AFTERWORD_CLOUD_FCM_URL", self.fcm.url.as_str()),
            ("AFTERWORD_CLOUD_FIREBASE_KEYS_URL", self.keys[0].url.as_str()),
            ("AFTERWORD_CLOUD_GOOGLE_KEYS_URL", self.keys[1].url.as_str()),
            ("AFTERWORD_TASKS_SECRET", SECRET),
            ("AFTERWORD_LOG_LEVEL", "info,flow=debug"),
            ("AFTERWORD_LOG_FORMAT", "json"),
        ];
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        settings.chain(self.more.iter().cloned()).collect()
    }

    pub async fn upload(&self) -> Function {
        Function::start("afterword-upload", &self.env()).await
    }

    pub async fn process(&self) -> Function {
        Function::start("afterword-process", &self.env()).await
    }

    /// The keys of the users' tokens.
    pub fn user_keys(&self) -> &KeyServer {
        &self.keys[0]
    }

    /// The keys of the queue's and the scheduler's tokens.
    pub fn task_keys(&self) -> &KeyServer {
        &self.keys[1]
    }

    /// The environment with some variables changed, or removed (`None`).
    pub fn env_with(&self, changes: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
        let mut env = self.env();
        env.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        let set = changes.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned())));
        env.extend(set);
        env
    }

    /// From now on tasks are delivered to these functions in turn.
    pub fn deliver_to(&self, functions: &[&Function]) {
        self.process_url.targets(functions.iter().map(|function| function.url.clone()));
    }

    /// Cuts Firestore off, or connects it again.
    pub fn set_firestore_away(&self, away: bool) {
        self.firestore_line.targets((!away).then(|| self.firestore.endpoint().to_owned()));
        self.firestore_line.cut();
    }

    /// Closes the present connections to Firestore, so that [`metered`](Self::metered) sees the next requests.
    pub fn cut_firestore_connections(&self) {
        self.firestore_line.cut();
    }

    /// A client of a user of the project who signed in an hour ago.
    pub fn client(&self, upload: &Function, uid: &str) -> Client {
        self.client_at(&upload.url, uid)
    }

    pub fn client_at(&self, url: &str, uid: &str) -> Client {
        Client::new(url, &self.token(uid))
    }

    /// The token of a user of the project who signed in an hour ago.
    pub fn token(&self, uid: &str) -> String {
        let now = now_secs();
        self.key.sign(&json!({
            "iss": format!("https://securetoken.google.com/{}", self.project),
            "aud": self.project,
            "sub": uid,
            "auth_time": now - 3600,
            "iat": now - 60,
            "exp": now + 3600,
        }))
    }

    /// A token as Google signs it for the account of the queue and the scheduler.
    pub fn account_token(&self) -> String {
        let now = now_secs();
        self.key.sign(&json!({
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "sub": "1234567890",
            "email": ACCOUNT,
            "email_verified": true,
            "iat": now - 60,
            "exp": now + 3600,
        }))
    }

    /// Runs the scheduled repair once a second until there is an answer; the scheduler does so at longer intervals.
    pub async fn sweep_until<T>(&self, function: &Function, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let mut swept: Option<Stopwatch> = None;
        eventually(what, 2 * PATIENCE, async || {
            if swept.is_none_or(|watch| watch.elapsed() > SWEEP_EVERY) {
                self.sweep(function).await;
                swept = Some(Stopwatch::start());
            }
            ask().await
        })
        .await
    }

    /// Calls the scheduled repair of a process function.
    pub async fn sweep(&self, function: &Function) -> serde_json::Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(format!("{}/v2/sync/sweep", function.url)).header("x-task-secret", SECRET);
        let answer = request.bearer_auth(self.account_token()).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }
}
