//! Verifies who delivers a task, by an OpenID token that Google signed for the queue's service account.
//!
//! Google's own verifier has a bug: while its keys are not cached, concurrent calls fail. So these
//! tokens are verified like those of users, with the same kind of key cache.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::Timestamp;
use flow::Result;
use flow::ports::{Clock, Denied, TaskIdentity};

use super::claims::Claims;
use super::fetch::Source;
use super::keys::Keys;
use super::token::{self, denied};
use crate::invalid_setting::InvalidSetting;

/// Where Google publishes the keys of OpenID tokens.
const KEYS_URL: &str = "https://www.googleapis.com/oauth2/v3/certs";
/// Google writes its issuer in both forms.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

#[derive(Clone, Debug)]
pub struct TaskIdentitySettings {
    /// The audience that the queue puts into its tokens, compared byte by byte.
    pub audience: String,
    /// The e-mail addresses of the accounts that may call: the queue's, and that of the scheduler that
    /// starts the sweep.
    pub service_accounts: Vec<String>,
    pub keys_url: String,
    /// The time limit of one fetch of the keys.
    pub keys_limit: Duration,
}

impl TaskIdentitySettings {
    pub fn new(audience: impl Into<String>, service_accounts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            audience: audience.into(),
            service_accounts: service_accounts.into_iter().map(Into::into).collect(),
            keys_url: KEYS_URL.to_owned(),
            keys_limit: Duration::from_secs(4),
        }
    }
}

pub struct GoogleTaskIdentity {
    audience: String,
    service_accounts: Vec<String>,
    keys: Keys,
    clock: Arc<dyn Clock>,
}

impl GoogleTaskIdentity {
    pub fn new(settings: TaskIdentitySettings, clock: Arc<dyn Clock>) -> std::result::Result<Self, InvalidSetting> {
        let TaskIdentitySettings { audience, service_accounts, keys_url, keys_limit } = settings;
        if audience.is_empty() {
            return Err(InvalidSetting::new("audience", "is empty: a token for anybody would do"));
        }
        if service_accounts.is_empty() || service_accounts.iter().any(|account| !account.contains('@')) {
            let why = "are e-mail addresses, and at least one: else any account of Google's would do";
            return Err(InvalidSetting::new("service_accounts", why));
        }
        let keys = Keys::new(Source::new(keys_url, keys_limit)?, clock.clone());
        Ok(Self { audience, service_accounts, keys, clock })
    }

    fn judge(&self, claims: &Claims, now: Timestamp) -> std::result::Result<(), String> {
        claims.is_from(&ISSUERS)?;
        claims.is_for(&self.audience)?;
        claims.is_valid_at(now)?;
        let is_ours = |email| self.service_accounts.iter().any(|account| account == email);
        if claims.email_verified != true || !claims.email.as_str().is_some_and(is_ours) {
            return Err("the token is of another account".to_owned());
        }
        Ok(())
    }
}

#[async_trait]
impl TaskIdentity for GoogleTaskIdentity {
    async fn verify(&self, token: &str) -> Result<std::result::Result<(), Denied>> {
        let claims = token::signed(&self.keys, token).await?;
        let now = self.clock.now();
        Ok(claims.and_then(|claims| self.judge(&claims, now).map_err(denied)))
    }

    async fn ready(&self) -> Result<()> {
        self.keys.ready().await
    }
}
