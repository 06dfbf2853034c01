//! The queue, where it delivers to, and the time limits.

use std::time::Duration;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::invalid_setting::InvalidSetting;

/// The dispatch deadlines of HTTP tasks that Cloud Tasks accepts.
const DISPATCH: std::ops::RangeInclusive<Duration> = Duration::from_secs(15)..=Duration::from_secs(1800);
/// The longest URL that Cloud Tasks accepts.
const MAX_URL_BYTES: usize = 2083;

/// The account that signs deliveries, and their audience. Google signs only for addresses that begin
/// with https.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskOidc {
    /// The e-mail address of the account. Whoever creates tasks must be allowed to act as this account.
    pub service_account: String,
    pub audience: String,
}

#[derive(Clone, Debug)]
pub struct CloudTasksSettings {
    /// `projects/<project>/locations/<location>/queues/<queue>`.
    pub queue: String,
    /// The address of the process function without a path: `https://process-xyz.run.app`.
    pub process_url: String,
    /// Sent to the process function with every delivery.
    pub secret: SecretString,
    pub oidc: Option<TaskOidc>,
    /// A delivery without an answer after this long has failed.
    pub dispatch_deadline: Duration,
    /// The time limit of one call with all its tries and pauses.
    pub deadline: Duration,
    /// The time limit of one try.
    pub attempt: Duration,
    /// The address of an emulator, which is called without credentials.
    pub emulator: Option<String>,
}

impl CloudTasksSettings {
    pub fn new(queue: impl Into<String>, process_url: impl Into<String>, secret: SecretString) -> Self {
        Self {
            queue: queue.into(),
            process_url: process_url.into(),
            secret,
            oidc: None,
            // The longest deadline that Cloud Tasks accepts; a worker has its own, shorter one.
            dispatch_deadline: *DISPATCH.end(),
            // A request waits for it, and if it fails, the sweep creates the task later.
            deadline: Duration::from_secs(6),
            attempt: Duration::from_secs(3),
            emulator: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        self.check_queue()?;
        self.check_url()?;
        let secret = self.secret.expose_secret();
        if secret.is_empty() || HeaderValue::from_str(secret).is_err() {
            return Err(InvalidSetting::new("secret", "is empty or has characters that a header cannot carry"));
        }
        if let Some(TaskOidc { service_account, audience }) = &self.oidc {
            if !service_account.contains('@') {
                return Err(InvalidSetting::new(
                    "service_account",
                    format!("`{service_account}` is no e-mail address"),
                ));
            }
            if audience.is_empty() {
                return Err(InvalidSetting::new("audience", "is empty"));
            }
        }
        if !DISPATCH.contains(&self.dispatch_deadline) {
            return Err(InvalidSetting::new("dispatch_deadline", "has to lie between 15 and 1800 seconds"));
        }
        if self.attempt.is_zero() || self.deadline < self.attempt {
            return Err(InvalidSetting::new("deadline", "has to be as long as one try, and that above zero"));
        }
        Ok(())
    }

    fn check_queue(&self) -> Result<(), InvalidSetting> {
        let parts: Vec<_> = self.queue.split('/').collect();
        let named =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:_".contains(&b));
        match parts[..] {
            ["projects", project, "locations", location, "queues", queue]
                if [project, location, queue].into_iter().all(named) =>
            {
                Ok(())
            }
            _ => Err(InvalidSetting::new("queue", format!("`{}` is not projects/…/locations/…/queues/…", self.queue))),
        }
    }

    fn check_url(&self) -> Result<(), InvalidSetting> {
        const SETTING: &str = "process_url";
        let url = Url::parse(&self.process_url)
            .map_err(|why| InvalidSetting::new(SETTING, format!("is no address ({why})")))?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidSetting::new(SETTING, "must not have a user, a password, a query or a fragment"));
        }
        let fits = match url.scheme() {
            "https" => true,
            // The secret of the tasks and their tokens leave this machine over encrypted connections only.
            "http" => self.emulator.is_some() || self.oidc.is_none() && is_loopback(&url),
            _ => false,
        };
        if !fits || url.host_str().is_none_or(str::is_empty) {
            let why = format!("`{url}` has to begin with https:// and a host: every task carries the secret there");
            return Err(InvalidSetting::new(SETTING, why));
        }
        if url.path() != "/" {
            let why = format!("`{url}` must not have a path: the tasks go to {}", super::create::TASK_PATH);
            return Err(InvalidSetting::new(SETTING, why));
        }
        if self.process_url.len() > MAX_URL_BYTES - super::create::TASK_PATH.len() {
            return Err(InvalidSetting::new(SETTING, format!("has more than {MAX_URL_BYTES} bytes")));
        }
        Ok(())
    }
}

/// Whether what is sent to this address stays on this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(host)) => host.is_loopback(),
        Some(Host::Ipv6(host)) => host.is_loopback(),
        Some(Host::Domain(host)) => host == "localhost",
        None => false,
    }
}
