//! The access token that a push is sent with.

use async_trait::async_trait;
use flow::{Error, Kind, Result};
use google_cloud_auth::credentials::{AccessTokenCredentials, Builder};
use secrecy::SecretString;

use crate::reconnect::Reconnect;

/// What a token for FCM must be allowed to do.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const OPERATION: &str = "push.token";

#[async_trait]
pub trait AccessToken: Send + Sync + 'static {
    async fn bearer(&self) -> Result<SecretString>;

    /// The one that was given is not taken: where there may be others, they are looked for.
    fn was_refused(&self) {}
}

/// Application Default Credentials, looked for with the first push. Google's library keeps the token and renews it, until
/// it fails for good: then they are looked for again, because somebody may have changed a key.
#[derive(Default)]
pub struct GoogleToken {
    credentials: Reconnect<AccessTokenCredentials>,
}

#[async_trait]
impl AccessToken for GoogleToken {
    async fn bearer(&self) -> Result<SecretString> {
        let find = async || {
            let found = Builder::default().with_scopes([SCOPE]).build_access_token_credentials();
            found.map_err(|error| Error::new(Kind::Misconfigured, OPERATION, "").because(error))
        };
        let credentials = self.credentials.get(find).await?;
        let token = credentials.access_token().await.map_err(|error| {
            if error.is_transient() {
                return Error::new(Kind::Unavailable, OPERATION, "").because(error);
            }
            self.credentials.give_up(&credentials);
            Error::new(Kind::Misconfigured, OPERATION, "").because(error)
        })?;
        Ok(SecretString::from(token.token))
    }

    fn was_refused(&self) {
        self.credentials.clear();
    }
}

/// A token that was given, for a service that takes any.
pub struct GivenToken(pub SecretString);

#[async_trait]
impl AccessToken for GivenToken {
    async fn bearer(&self) -> Result<SecretString> {
        Ok(self.0.clone())
    }
}
