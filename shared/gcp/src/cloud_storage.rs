//! Staged audio in Google Cloud Storage: blobs that the functions write and read, and upload sessions
//! whose bytes go straight from the device to Google.
//!
//! Reads go through Google's crate (JSON REST), and so do lists, metadata and deletions (gRPC). Uploads
//! are our own JSON REST requests: see `writer` for the reason.

mod blobs;
mod bucket_settings;
mod fault;
mod insert;
mod object;
mod permissions;
mod read;
mod rest;
mod session;
mod uploads;
mod writer;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flow::ports::{Clock, Random};
use flow::{Kind, Result};
use google_cloud_auth::credentials::{self, Credentials};
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_storage::client::{Storage as Reading, StorageControl};
use google_cloud_storage::read_resume_policy::NeverResume;
use reqwest::redirect;
use tokio::time::Instant;

pub use blobs::GcsBlobs;
pub use bucket_settings::{BucketSettings, bucket_settings};
pub use permissions::{Permission, permissions};
pub use uploads::GcsUploads;

use fault::Call;

pub use crate::retry_policy::{CallPolicy, RetryPolicy};

use crate::reconnect::Reconnect;
use crate::retry_policy::Retrying;

use crate::diagnosis::{Service, causes};

const PRODUCTION: &str = "https://storage.googleapis.com";
const USER_AGENT: &str = concat!("afterword/", env!("CARGO_PKG_VERSION"));
/// The status of invalid credentials. Missing permissions have another status.
const UNAUTHENTICATED: u16 = 401;
const CONNECT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Settings {
    pub bucket: String,
    /// The address for JSON REST; `None` means Google's.
    pub endpoint: Option<String>,
    /// The address for gRPC; `None` means the same as for JSON REST.
    pub grpc_endpoint: Option<String>,
    pub policy: CallPolicy,
}

impl Settings {
    /// Settings for a bucket at Google.
    pub fn new(bucket: impl Into<String>) -> Self {
        Self { bucket: bucket.into(), endpoint: None, grpc_endpoint: None, policy: policy() }
    }
}

fn policy() -> CallPolicy {
    let retry = RetryPolicy {
        tries: 5,
        total: Duration::from_secs(60),
        // Google asks for an exponential back-off that starts near one second; most 503 responses are over
        // sooner.
        first_pause: Duration::from_millis(250),
        longest_pause: Duration::from_secs(8),
    };
    // A chunk is 1 MiB: a connection that is slower than this is as good as dead.
    CallPolicy { attempt: Duration::from_secs(20), retry }
}

/// Describes the bucket in error messages and remedies.
fn service(settings: &Settings) -> Service {
    let bucket = &settings.bucket;
    Service {
        what: format!("bucket `{bucket}`"),
        address: settings.endpoint.clone().unwrap_or_else(|| PRODUCTION.to_owned()),
        emulated_by: settings.endpoint.as_ref().map(|_| "STORAGE_EMULATOR_HOST"),
        project: None,
        api: "storage.googleapis.com",
        grant: format!(
            "grant roles/storage.objectUser on the bucket {bucket} to the function's account: gcloud storage buckets \
             add-iam-policy-binding gs://{bucket} --member=serviceAccount:<account> --role=roles/storage.objectUser"
        ),
        make: format!(
            "correct cloud.bucket (AFTERWORD_CLOUD_BUCKET), or make it: gcloud storage buckets create gs://{bucket} \
             --location=<region> --soft-delete-duration=0"
        ),
    }
}

/// The client of one bucket. Creating it neither connects nor reads credentials: both happen at first
/// use.
pub struct Storage {
    settings: Settings,
    service: Service,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    http: OnceLock<reqwest::Client>,
    given: Option<Credentials>,
    credentials: Reconnect<Credentials>,
    reading: Reconnect<Reading>,
    control: Reconnect<StorageControl>,
}

impl Storage {
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            service: service(&settings),
            settings,
            clock,
            random,
            http: OnceLock::new(),
            given: None,
            credentials: Reconnect::default(),
            reading: Reconnect::default(),
            control: Reconnect::default(),
        }
    }

    /// Uses these credentials, instead of Application Default Credentials, or of none if an endpoint is
    /// set.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self { given: Some(credentials), ..self }
    }

    fn bucket(&self) -> &str {
        &self.settings.bucket
    }

    /// The bucket's name for gRPC and for Google's crate.
    fn bucket_path(&self) -> String {
        format!("projects/_/buckets/{}", self.settings.bucket)
    }

    fn endpoint(&self) -> &str {
        self.settings.endpoint.as_deref().unwrap_or(PRODUCTION).trim_end_matches('/')
    }

    fn call<'a>(&'a self, operation: &'static str, subject: &'a str) -> Call<'a> {
        Call::new(operation, subject, &self.service)
    }

    fn tries(&self) -> Retrying<'_> {
        Retrying { policy: &self.settings.policy, clock: &*self.clock, random: &*self.random }
    }

    fn http(&self, call: &Call<'_>) -> Result<&reqwest::Client> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT)
            // A redirect would send the token and the audio elsewhere. Also, 308 has another meaning in upload
            // sessions.
            .redirect(redirect::Policy::none());
        if self.endpoint().starts_with("http://") {
            // An emulator on this machine is not reached through the proxy.
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|why| call.misconfigured(format!("TLS cannot be set up: {why}")))?;
        Ok(self.http.get_or_init(|| client))
    }

    async fn credentials(&self, call: &Call<'_>) -> Result<Arc<Credentials>> {
        let make = async || {
            if let Some(given) = &self.given {
                return Ok(given.clone());
            }
            if self.settings.endpoint.is_some() {
                return Ok(credentials::anonymous::Builder::new().build());
            }
            let found = credentials::Builder::default().build();
            found.map_err(|why| call.error(Kind::Misconfigured).because(self.service.no_token(causes(&why))))
        };
        self.credentials.get(make).await
    }

    /// Drops credentials that failed permanently or were refused. The library never renews those, so the
    /// next request looks for credentials again: a key may have been changed.
    fn forget_credentials(&self) {
        tracing::warn!("the credentials for Cloud Storage are looked up again");
        self.credentials.clear();
        self.reading.clear();
        self.control.clear();
    }

    /// Converts an error of Google's crate, and drops the credentials if they are to blame.
    fn failed(&self, call: &Call<'_>, why: &google_cloud_storage::Error) -> flow::Error {
        let error = call.failed(why);
        let is_refused = fault::refusal_of(why).is_some_and(|refusal| refusal.status == UNAUTHENTICATED);
        if is_refused || why.is_authentication() && error.kind == Kind::Misconfigured {
            self.forget_credentials();
        }
        error
    }

    async fn reading(&self, call: &Call<'_>) -> Result<Arc<Reading>> {
        let make = async || {
            let mut client = Reading::builder()
                .with_credentials(Credentials::clone(&*self.credentials(call).await?))
                // Retries and resuming are our own, with one deadline and our own clock and jitter.
                .with_retry_policy(NeverRetry)
                .with_read_resume_policy(NeverResume);
            if let Some(endpoint) = &self.settings.endpoint {
                client = client.with_endpoint(endpoint);
            }
            client.build().await.map_err(|why| call.misconfigured(why.to_string()))
        };
        self.reading.get(make).await
    }

    /// A gRPC client for one call. It is not told when the other side of its connection is gone, so a call
    /// that waits in vain drops the connection.
    async fn control(&self, call: &Call<'_>) -> Result<Control<'_>> {
        let client = self.make_control(call).await?;
        Ok(Control { storage: self, client, begun: Instant::now(), has_answered: false })
    }

    async fn make_control(&self, call: &Call<'_>) -> Result<Arc<StorageControl>> {
        let make = async || {
            let credentials = Credentials::clone(&*self.credentials(call).await?);
            let mut client = StorageControl::builder().with_credentials(credentials).with_retry_policy(NeverRetry);
            if let Some(endpoint) = self.settings.grpc_endpoint.as_ref().or(self.settings.endpoint.as_ref()) {
                client = client.with_endpoint(endpoint);
            }
            client.build().await.map_err(|why| call.misconfigured(why.to_string()))
        };
        self.control.get(make).await
    }
}

struct Control<'a> {
    storage: &'a Storage,
    client: Arc<StorageControl>,
    begun: Instant,
    has_answered: bool,
}

impl Control<'_> {
    /// Converts the result of the call.
    fn answered<T>(mut self, call: &Call<'_>, answer: google_cloud_storage::Result<T>) -> Result<T> {
        self.has_answered = true;
        answer.map_err(|why| self.storage.failed(call, &why))
    }
}

impl Drop for Control<'_> {
    fn drop(&mut self) {
        // A caller that gives up sooner than this does not do so because of the connection.
        if !self.has_answered && self.begun.elapsed() >= self.storage.settings.policy.attempt / 2 {
            self.storage.control.give_up(&self.client);
        }
    }
}

#[cfg(test)]
mod tests;
