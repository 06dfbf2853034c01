//! The configuration as types: one struct for each section of the default file.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $(pub $field: $type,)* }
    };
}

section!(Log { level: String, format: LogFormat });
section!(Jobs {
    lease_seconds: u64,
    max_attempts: u32,
    backoff_min_seconds: u64,
    backoff_max_seconds: u64,
    max_wait_seconds: u64,
    retention_seconds: u64,
    expire_after_cleanup_seconds: u64,
    upload_session_seconds: u64,
});
section!(Sweep { interval_seconds: u64, limit: usize, orphan_blob_seconds: u64 });
section!(Engine {
    name: String,
    models: String,
    parallelism: usize,
    arithmetic: String,
    null_delay_ms: u64,
    null_fail: String,
    null_languages: String,
    whisper_model: String,
    deepgram: Deepgram,
    http: HttpEngine,
});
section!(Audio { detector: String });
section!(Process { max_jobs: usize, handler_deadline_seconds: u64 });
section!(Limits {
    enqueued_per_user: u32,
    max_file_bytes: u64,
    max_batch_bytes: u64,
    max_files: usize,
    resumable_max_file_bytes: u64,
    resumable_max_batch_bytes: u64,
    open_sessions_per_user: u32,
    max_future_seconds: u64,
    recovery_window_seconds: u64,
    inline_audio_seconds: u64,
    inline_search_seconds: u64,
    synchronous_wait_seconds: u64,
    synchronous_waits: usize,
    event_stream_seconds: u64,
    event_streams_per_user: usize,
    event_streams: usize,
});
section!(Queue {
    max_attempts: u32,
    min_backoff_seconds: u64,
    max_backoff_seconds: u64,
    max_doublings: u32,
    dispatch_deadline_seconds: u64,
    max_per_second: u32,
});
section!(Blobs { keep_days: u64, reserve_bytes: u64 });
section!(Identity { token_ttl_seconds: u64 });
section!(Cloud {
    project: String,
    database: String,
    bucket: String,
    location: String,
    queue: String,
    process_url: String,
    task_service_account: String,
    task_audience: String,
    http2: bool,
    bucket_lifecycle_days: u64,
    call_seconds: u64,
    fcm_url: String,
    firebase_keys_url: String,
    google_keys_url: String,
});
section!(Simulate { refuse: String, retry_after_seconds: u64 });

/// `[server]`. Without `public_url`, the addresses that the server returns are relative.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: String,
    pub internal_listen: String,
    #[serde(default)]
    pub public_url: Option<String>,
    pub tls_cert: String,
    pub tls_key: String,
    pub tls_renewal_seconds: u64,
    pub cors_origins: Vec<String>,
    pub max_connections: usize,
    pub idle_seconds: u64,
    pub body_silence_seconds: u64,
    pub write_stall_seconds: u64,
    pub max_headers: usize,
    pub max_header_bytes: usize,
    pub max_uri_bytes: usize,
    pub max_json_bytes: usize,
    pub h2_streams: u32,
}

/// `[tasks]`. Secrets have no default, because a missing secret and an empty one are different errors.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tasks {
    #[serde(default)]
    pub secret: Option<SecretString>,
    #[serde(default)]
    pub previous_secret: Option<SecretString>,
}

/// `[engine.deepgram]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deepgram {
    #[serde(default)]
    pub api_key: Option<SecretString>,
    pub url: String,
    pub model: String,
    pub max_span_seconds: u64,
    pub concurrency: usize,
}

/// `[engine.http]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpEngine {
    pub url: String,
    #[serde(default)]
    pub api_key: Option<SecretString>,
    pub model: String,
    pub max_span_seconds: u64,
    pub concurrency: usize,
    pub format: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Auto,
    Text,
    Json,
}

section!(
    /// Everything that can be configured.
    Config {
        server: Server,
        log: Log,
        jobs: Jobs,
        sweep: Sweep,
        engine: Engine,
        audio: Audio,
        process: Process,
        limits: Limits,
        tasks: Tasks,
        queue: Queue,
        blobs: Blobs,
        identity: Identity,
        cloud: Cloud,
        simulate: Simulate,
    }
);

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
