//! The Firebase project, and the time limits of a push.

use std::time::Duration;

use url::Url;

use crate::invalid_setting::InvalidSetting;

#[derive(Clone, Debug)]
pub struct FcmSettings {
    /// The id of the Firebase project.
    pub project: String,
    pub endpoint: String,
    pub connect: Duration,
    /// The time limit of one push, from its first byte to the last byte of the answer.
    pub total: Duration,
}

impl FcmSettings {
    pub fn new(project: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            endpoint: "https://fcm.googleapis.com".to_owned(),
            connect: Duration::from_secs(10),
            // Google recommends at least ten seconds. The devices of a user are notified one after the other.
            total: Duration::from_secs(15),
        }
    }

    pub(super) fn url(&self) -> Result<String, InvalidSetting> {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
        if self.project.is_empty() || !self.project.bytes().all(named) {
            return Err(InvalidSetting::new("project", format!("`{}` is no project id", self.project)));
        }
        let url = Url::parse(&self.endpoint)
            .map_err(|why| InvalidSetting::new("endpoint", format!("is no address ({why})")))?;
        // A bearer token is sent there, so only an emulator on this machine may use plain HTTP.
        let loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        let fits = url.scheme() == "https" || url.scheme() == "http" && loopback;
        if !fits || !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidSetting::new(
                "endpoint",
                "has to begin with https:// and have neither user nor password",
            ));
        }
        if self.connect.is_zero() || self.total.is_zero() {
            return Err(InvalidSetting::new("total", "has to be above zero, and so has the time to connect"));
        }
        Ok(format!("{}/v1/projects/{}/messages:send", self.endpoint.trim_end_matches('/'), self.project))
    }
}
