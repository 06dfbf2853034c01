//! The platforms, and what each of them allows.

use std::time::Duration;

/// Set by Lambda, and by its emulators.
const LAMBDA: &str = "AWS_LAMBDA_RUNTIME_API";
/// Set by Cloud Run: the service's name.
const CLOUD_RUN: &str = "K_SERVICE";
const PORT: &str = "PORT";
const DEFAULT_PORT: u16 = 8080;

/// Lambda takes 6 MB of an event, in which a body is written in base64: 4.5 MB of it. The rest is for the form around the
/// files and for the event's own fields.
const LAMBDA_BODY: u64 = 4_400_000;
/// Cloud Run takes 32 MiB over HTTP/1, the form around the files included.
const CLOUD_RUN_BODY: u64 = 33_000_000;
/// Lambda ends a call after 15 minutes, whatever it is doing.
const LAMBDA_HANDLER: Duration = Duration::from_secs(840);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    Lambda,
    CloudRun { port: u16, http2: bool },
    Port(u16),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("PORT must be a number from 0 to 65535, not `{0}`")]
pub struct UnfitPort(String);

impl Platform {
    /// `http2`: Cloud Run was told to speak it to this container.
    pub fn of(variable: impl Fn(&str) -> Option<String>, http2: bool) -> Result<Self, UnfitPort> {
        if variable(LAMBDA).is_some() {
            return Ok(Self::Lambda);
        }
        let port = match variable(PORT) {
            None => DEFAULT_PORT,
            Some(text) => text.parse().map_err(|_| UnfitPort(text))?,
        };
        Ok(if variable(CLOUD_RUN).is_some() { Self::CloudRun { port, http2 } } else { Self::Port(port) })
    }

    /// More than this in one request never comes to us: the platform answers for itself.
    pub fn max_body(self) -> Option<u64> {
        match self {
            Self::Lambda => Some(LAMBDA_BODY),
            Self::CloudRun { http2: false, .. } => Some(CLOUD_RUN_BODY),
            Self::CloudRun { http2: true, .. } | Self::Port(_) => None,
        }
    }

    /// The longest that one request may take; `None`: as long as it was set up for.
    pub fn max_handler(self) -> Option<Duration> {
        (self == Self::Lambda).then_some(LAMBDA_HANDLER)
    }

    /// Whether an answer can be sent in parts: else it is gathered until it ends.
    pub fn streams(self) -> bool {
        self != Self::Lambda
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Platform, UnfitPort> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Platform::of(find, false)
    }

    #[test]
    fn the_environment_tells_the_platform() {
        assert_eq!(of(&[]), Ok(Platform::Port(8080)));
        assert_eq!(of(&[("PORT", "9000")]), Ok(Platform::Port(9000)));
        let run = Platform::CloudRun { port: 8081, http2: false };
        assert_eq!(of(&[("PORT", "8081"), ("K_SERVICE", "upload")]), Ok(run));
        assert_eq!(of(&[("PORT", "1"), (LAMBDA, "127.0.0.1:9001")]), Ok(Platform::Lambda));
        assert_eq!(of(&[("PORT", "http")]), Err(UnfitPort("http".to_owned())));
    }

    #[test]
    fn only_platforms_that_gather_requests_bound_them() {
        assert_eq!(Platform::Port(1).max_body(), None);
        assert_eq!(Platform::CloudRun { port: 1, http2: true }.max_body(), None);
        assert!(Platform::CloudRun { port: 1, http2: false }.max_body() > Platform::Lambda.max_body());
    }
}
