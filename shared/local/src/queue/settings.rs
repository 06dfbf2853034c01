//! How the queue delivers: where to, how often, and how fast.

use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use secrecy::{ExposeSecret, SecretString};

/// A setting with which nothing would ever be delivered, or deliveries would never end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue's {setting} {why}")]
pub struct InvalidSetting {
    setting: &'static str,
    why: String,
}

#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// The worker's route: `http://127.0.0.1:4444/v2/sync/process`.
    pub url: String,
    /// Sent to the worker with every delivery.
    pub secret: SecretString,
    /// The queue's name, which is sent to the worker.
    pub name: String,
    /// The most deliveries of one task before it is given up.
    pub max_attempts: u32,
    pub min_backoff: Duration,
    pub max_backoff: Duration,
    /// How often the wait doubles before it grows by equal steps.
    pub max_doublings: u32,
    /// A delivery without an answer after this long has failed.
    pub dispatch_deadline: Duration,
    /// The most deliveries that begin in a second.
    pub max_per_second: u32,
    /// The most deliveries that run at once.
    pub max_concurrent: usize,
}

impl QueueSettings {
    /// The settings of the queue in the cloud.
    pub fn new(url: impl Into<String>, secret: SecretString) -> Self {
        Self {
            url: url.into(),
            secret,
            name: "afterword".to_owned(),
            max_attempts: 100,
            min_backoff: Duration::from_secs(5),
            max_backoff: Duration::from_secs(300),
            max_doublings: 5,
            dispatch_deadline: Duration::from_secs(1800),
            max_per_second: 2000,
            max_concurrent: 64,
        }
    }

    pub(super) fn uri(&self) -> Result<Uri, InvalidSetting> {
        let uri: Uri =
            self.url.parse().map_err(|why| invalid("url", format!("`{}` is no address: {why}", self.url)))?;
        // Loopback connections need no encryption, and this client has none.
        if uri.scheme() != Some(&Scheme::HTTP) || uri.host().is_none_or(str::is_empty) {
            return Err(invalid("url", format!("`{}` has to begin with http:// and a host", self.url)));
        }
        Ok(uri)
    }

    pub(super) fn secret_header(&self) -> Result<HeaderValue, InvalidSetting> {
        let secret = HeaderValue::from_str(self.secret.expose_secret());
        let mut secret = secret.map_err(|_| invalid("secret", "has characters that a header cannot carry"))?;
        secret.set_sensitive(true);
        Ok(secret)
    }

    pub(super) fn name_header(&self) -> Result<HeaderValue, InvalidSetting> {
        HeaderValue::from_str(&self.name).map_err(|_| invalid("name", "has characters that a header cannot carry"))
    }

    pub(super) fn check(&self) -> Result<(), InvalidSetting> {
        let numbers = [
            ("max_attempts", self.max_attempts > 0),
            ("max_per_second", self.max_per_second > 0),
            ("max_concurrent", self.max_concurrent > 0),
            ("min_backoff", !self.min_backoff.is_zero()),
            ("dispatch_deadline", !self.dispatch_deadline.is_zero()),
        ];
        if let Some((setting, _)) = numbers.iter().find(|(_, is_above_zero)| !is_above_zero) {
            return Err(invalid(setting, "has to be above zero"));
        }
        if self.max_backoff < self.min_backoff {
            return Err(invalid("max_backoff", "is below min_backoff"));
        }
        Ok(())
    }
}

fn invalid(setting: &'static str, why: impl Into<String>) -> InvalidSetting {
    InvalidSetting { setting, why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> QueueSettings {
        QueueSettings::new("http://127.0.0.1:4444/v2/sync/process", SecretString::from("x".repeat(32)))
    }

    #[test]
    fn only_plain_http_url_is_accepted() {
        assert_eq!(settings().uri().unwrap().path(), "/v2/sync/process");
        for url in ["", "127.0.0.1:4444", "/v2/sync/process", "https://127.0.0.1/", "http://"] {
            let error = QueueSettings { url: url.to_owned(), ..settings() }.uri().unwrap_err();
            assert_eq!(error.setting, "url", "{url}");
        }
    }

    #[test]
    fn secret_is_in_no_message() {
        let broken = QueueSettings { secret: SecretString::from("line\nbreak"), ..settings() };
        let text = format!("{} {broken:?}", broken.secret_header().unwrap_err());
        assert!(!text.contains("break"), "{text}");
        assert!(!format!("{:?}", settings().secret_header()).contains("xxx"));
    }

    #[test]
    fn settings_that_never_deliver_are_refused() {
        assert!(settings().check().is_ok());
        let cases = [
            QueueSettings { max_attempts: 0, ..settings() },
            QueueSettings { max_per_second: 0, ..settings() },
            QueueSettings { max_concurrent: 0, ..settings() },
            QueueSettings { min_backoff: Duration::ZERO, ..settings() },
            QueueSettings { dispatch_deadline: Duration::ZERO, ..settings() },
            QueueSettings { max_backoff: Duration::from_secs(4), ..settings() },
        ];
        for case in cases {
            assert!(case.check().is_err(), "{case:?}");
        }
    }
}
