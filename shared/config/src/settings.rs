//! The typed settings. What the use cases or the edge define themselves is used as it is; the rest has a struct here. Every
//! field is set by a key of the list, also to its default.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use domain::{Code, Rules};
use edge::telemetry::Telemetry;
use edge::{Cors, LogUsers, Requests, ServeLimits};
use secrecy::SecretString;
use speech::CloudSettings;

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: Server,
    pub log: Telemetry,
    /// The settings of the use cases: `jobs`, `process`, `limits`, and keys of other sections.
    pub settings: flow::Settings,
    pub sweep: Sweep,
    pub engine: Engine,
    pub detector: Detector,
    pub tasks: Tasks,
    pub queue: Queue,
    pub blobs: Blobs,
    pub identity: Identity,
    pub simulate: Simulate,
    pub cloud: Cloud,
}

#[derive(Clone, Debug)]
pub struct Server {
    pub listen: SocketAddr,
    pub internal_listen: SocketAddr,
    /// Without a slash at its end. `None`: the addresses that the server returns are relative.
    pub public_url: Option<String>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub tls_renewal: Duration,
    pub cors: Option<Cors>,
    /// How the log names users.
    pub log_users: LogUsers,
    pub limits: ServeLimits,
    /// Whether every time that the clock shows counts as right.
    pub trust_clock: bool,
}

impl Server {
    pub fn requests(&self) -> Requests {
        Requests { limits: self.limits.requests, cors: self.cors.clone(), users: self.log_users }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Sweep {
    pub interval: Duration,
    pub limit: usize,
    pub orphan_age: Duration,
}

#[derive(Clone, Debug, Default)]
pub struct Engine {
    pub name: String,
    pub models: String,
    pub whisper_model: String,
    pub arithmetic: String,
    pub null_delay: Duration,
    pub null_fail: String,
    /// The languages that the null engine accepts. If the list is empty, it accepts any.
    pub null_languages: Vec<String>,
    /// The engines that others run.
    pub cloud: CloudSettings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detector {
    Silero,
    Energy,
}

#[derive(Clone, Debug, Default)]
pub struct Tasks {
    pub secret: Option<SecretString>,
    pub previous_secret: Option<SecretString>,
}

#[derive(Clone, Debug, Default)]
pub struct Queue {
    pub max_attempts: u32,
    pub min_backoff: Duration,
    pub max_backoff: Duration,
    pub max_doublings: u32,
    pub dispatch_deadline: Duration,
    pub max_per_second: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Blobs {
    pub reserve_bytes: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Identity {
    pub token_ttl: Duration,
}

#[derive(Clone, Debug, Default)]
pub struct Simulate {
    /// The code that every upload is refused with.
    pub refuse: Option<Code>,
    pub retry_after: Duration,
}

#[derive(Clone, Debug, Default)]
pub struct Cloud {
    pub project: String,
    pub database: String,
    pub bucket: String,
    pub bucket_lifecycle: Duration,
    pub location: String,
    pub queue: String,
    pub process_url: String,
    pub task_service_account: String,
    pub task_audience: String,
    pub http2: bool,
    pub call_limit: Duration,
    pub request_timeout: Duration,
    pub fcm_url: String,
    pub firebase_keys_url: String,
    pub google_keys_url: String,
}

impl Config {
    /// Settings that no key has set yet.
    pub(crate) fn unset() -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            server: Server {
                listen: nowhere,
                internal_listen: nowhere,
                public_url: None,
                tls_cert: None,
                tls_key: None,
                tls_renewal: Duration::ZERO,
                cors: None,
                log_users: LogUsers::default(),
                limits: ServeLimits::default(),
                trust_clock: false,
            },
            log: Telemetry::default(),
            settings: flow::Settings::default(),
            sweep: Sweep::default(),
            engine: Engine::default(),
            detector: Detector::Silero,
            tasks: Tasks::default(),
            queue: Queue::default(),
            blobs: Blobs::default(),
            identity: Identity::default(),
            simulate: Simulate::default(),
            cloud: Cloud::default(),
        }
    }

    /// Sets what follows from several keys.
    pub(crate) fn derive(&mut self) {
        let rules = &mut self.settings.rules;
        rules.renew_after = rules.lease / 3;
        // A disk has no lifecycle rule that deletes audio, so this bound only has to exceed every wait.
        let longest = rules.upload_session + rules.max_wait + rules.retention;
        rules.audio_lifecycle = Rules::default().audio_lifecycle.max(longest + 2 * rules.lifecycle_margin);
    }
}
