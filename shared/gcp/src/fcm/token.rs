//! Provides the access token for push messages.

use async_trait::async_trait;
use flow::{Error, Kind, Result};
use google_cloud_auth::credentials::{AccessTokenCredentials, Builder};
use secrecy::SecretString;

use crate::reconnect::Reconnect;

/// The scope that a token for FCM needs.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const OPERATION: &str = "push.token";

#[async_trait]
pub trait AccessToken: Send + Sync + 'static {
    async fn bearer(&self) -> Result<SecretString>;

    /// The last token was refused: where there are others, the next call looks for them.
    fn was_refused(&self) {}
}

/// Application Default Credentials, looked up with the first push. Google's library keeps the token and
/// renews it until that fails permanently. Then they are looked up again, because somebody may have
/// changed a key.
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

/// A fixed token, for a service that accepts any.
pub struct GivenToken(pub SecretString);

#[async_trait]
impl AccessToken for GivenToken {
    async fn bearer(&self) -> Result<SecretString> {
        Ok(self.0.clone())
    }
}
