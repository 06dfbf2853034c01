//! The supported platforms, and the limits of each.

use std::time::Duration;

/// Set by AWS Lambda and its emulators.
const LAMBDA: &str = "AWS_LAMBDA_RUNTIME_API";
/// Set by Cloud Run to the name of the service.
const CLOUD_RUN: &str = "K_SERVICE";
const PORT: &str = "PORT";
const DEFAULT_PORT: u16 = 8080;

/// Lambda accepts events of 6 MB, in which a body is base64: 4.5 MB of body. The difference is left for the form around
/// the files and for the event's own fields.
const LAMBDA_BODY: u64 = 4_400_000;
/// Cloud Run accepts 32 MiB over HTTP/1, including the form around the files.
const CLOUD_RUN_BODY: u64 = 33_000_000;
/// Lambda ends a call after 15 minutes at the latest, whatever it is doing.
const LAMBDA_LIMIT: Duration = Duration::from_secs(900);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    Lambda,
    CloudRun { port: u16, http2: bool },
    Port(u16),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("PORT must be a number from 0 to 65535, not `{0}`")]
pub struct InvalidPort(String);

impl Platform {
    /// Detects the platform. `http2` says that Cloud Run is configured to speak HTTP/2 to this container.
    pub fn of(variable: impl Fn(&str) -> Option<String>, http2: bool) -> Result<Self, InvalidPort> {
        if variable(LAMBDA).is_some() {
            return Ok(Self::Lambda);
        }
        let port = match variable(PORT) {
            None => DEFAULT_PORT,
            Some(text) => text.parse().map_err(|_| InvalidPort(text))?,
        };
        Ok(if variable(CLOUD_RUN).is_some() { Self::CloudRun { port, http2 } } else { Self::Port(port) })
    }

    /// The largest body of a request: the platform itself refuses larger ones.
    pub fn max_body(self) -> Option<u64> {
        match self {
            Self::Lambda => Some(LAMBDA_BODY),
            Self::CloudRun { http2: false, .. } => Some(CLOUD_RUN_BODY),
            Self::CloudRun { http2: true, .. } | Self::Port(_) => None,
        }
    }

    /// After how long the platform ends a request; `None` means that it has no limit of its own. `configured` is the
    /// request timeout of a Cloud Run service, which its container cannot ask for. On Lambda, each call says when it
    /// ends; this is the longest.
    pub fn ends_requests_after(self, configured: Duration) -> Option<Duration> {
        match self {
            Self::Lambda => Some(LAMBDA_LIMIT),
            Self::CloudRun { .. } => Some(configured),
            Self::Port(_) => None,
        }
    }

    /// Whether the platform can stream an answer; otherwise it buffers the answer until it is complete.
    pub fn streams(self) -> bool {
        self != Self::Lambda
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Platform, InvalidPort> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Platform::of(find, false)
    }

    #[test]
    fn platform_is_detected_from_the_environment() {
        assert_eq!(of(&[]), Ok(Platform::Port(8080)));
        assert_eq!(of(&[("PORT", "9000")]), Ok(Platform::Port(9000)));
        let run = Platform::CloudRun { port: 8081, http2: false };
        assert_eq!(of(&[("PORT", "8081"), ("K_SERVICE", "upload")]), Ok(run));
        assert_eq!(of(&[("PORT", "1"), (LAMBDA, "127.0.0.1:9001")]), Ok(Platform::Lambda));
        assert_eq!(of(&[("PORT", "http")]), Err(InvalidPort("http".to_owned())));
    }

    #[test]
    fn only_platforms_that_buffer_requests_limit_their_size() {
        assert_eq!(Platform::Port(1).max_body(), None);
        assert_eq!(Platform::CloudRun { port: 1, http2: true }.max_body(), None);
        assert!(Platform::CloudRun { port: 1, http2: false }.max_body() > Platform::Lambda.max_body());
    }
}
