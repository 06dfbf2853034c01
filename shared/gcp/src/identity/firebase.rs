//! Identifies users by Firebase ID tokens.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{Timestamp, Uid};
use flow::Result;
use flow::ports::{Clock, Denied, Identity};

use super::claims::Claims;
use super::fetch::Source;
use super::keys::Keys;
use super::token::{self, denied};
use crate::invalid_setting::InvalidSetting;

/// Where Google publishes the keys of ID tokens.
const KEYS_URL: &str = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";
const ISSUER: &str = "https://securetoken.google.com/";
/// Firebase gives no real project an id with this prefix, so no real user can be impersonated in such a
/// project.
const DEMO: &str = "demo-";

#[derive(Clone, Debug)]
pub struct FirebaseSettings {
    /// The id of the Firebase project.
    pub project: String,
    pub keys_url: String,
    /// The time limit of one fetch of the keys. A request waits for it, at most ten seconds.
    pub keys_limit: Duration,
    /// The value of `FIREBASE_AUTH_EMULATOR_HOST`, as Google's own libraries read it.
    pub emulator_host: Option<String>,
}

impl FirebaseSettings {
    pub fn new(project: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            keys_url: KEYS_URL.to_owned(),
            keys_limit: Duration::from_secs(4),
            emulator_host: None,
        }
    }
}

pub struct FirebaseIdentity {
    project: String,
    issuer: String,
    proof: Proof,
    clock: Arc<dyn Clock>,
}

/// How a token is verified.
enum Proof {
    Signature(Keys),
    /// Not at all: the Firebase emulator does not sign its tokens.
    Nothing,
}

impl FirebaseIdentity {
    /// Unsigned tokens are accepted only if the emulator is configured **and** the project is a demo. One
    /// of both alone may be a mistake, with which anybody could impersonate anybody.
    pub fn new(settings: FirebaseSettings, clock: Arc<dyn Clock>) -> std::result::Result<Self, InvalidSetting> {
        let FirebaseSettings { project, keys_url, keys_limit, emulator_host } = settings;
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
        if project.is_empty() || !project.bytes().all(named) {
            return Err(InvalidSetting::new("project", format!("`{project}` is no project id")));
        }
        let emulator = emulator_host.is_some_and(|host| !host.trim().is_empty());
        let is_demo = project.starts_with(DEMO);
        let proof = if emulator && is_demo {
            tracing::warn!(project, "unsigned tokens of the Firebase emulator are accepted");
            Proof::Nothing
        } else {
            if emulator {
                tracing::error!(
                    project,
                    remedy = "unset FIREBASE_AUTH_EMULATOR_HOST, or set a project whose id begins with demo-",
                    "FIREBASE_AUTH_EMULATOR_HOST is ignored: the project is no demo"
                );
            }
            Proof::Signature(Keys::new(Source::new(keys_url, keys_limit)?, clock.clone()))
        };
        Ok(Self { issuer: format!("{ISSUER}{project}"), project, proof, clock })
    }

    fn user(&self, claims: &Claims, now: Timestamp) -> std::result::Result<Uid, String> {
        claims.is_from(&[&self.issuer])?;
        claims.is_for(&self.project)?;
        claims.is_valid_at(now)?;
        claims.was_signed_in_by(now)?;
        Uid::new(claims.sub.as_str()).map_err(|_| "the token does not name a user".to_owned())
    }
}

#[async_trait]
impl Identity for FirebaseIdentity {
    async fn verify(&self, token: &str) -> Result<std::result::Result<Uid, Denied>> {
        let claims = match &self.proof {
            Proof::Signature(keys) => token::signed(keys, token).await?,
            Proof::Nothing => token::unsigned(token),
        };
        let now = self.clock.now();
        Ok(claims.and_then(|claims| self.user(&claims, now).map_err(denied)))
    }

    async fn ready(&self) -> Result<()> {
        match &self.proof {
            Proof::Signature(keys) => keys.ready().await,
            Proof::Nothing => Ok(()),
        }
    }
}
