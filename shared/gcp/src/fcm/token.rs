//! The access token that a push is sent with.

use async_trait::async_trait;
use flow::{Error, Kind, Result};
use google_cloud_auth::credentials::{AccessTokenCredentials, Builder};
use secrecy::SecretString;
use tokio::sync::OnceCell;

/// What a token for FCM must be allowed to do.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const OPERATION: &str = "push.token";

#[async_trait]
pub trait AccessToken: Send + Sync + 'static {
    async fn bearer(&self) -> Result<SecretString>;
}

/// Application Default Credentials, looked for with the first push. Google's library keeps the token and renews it.
#[derive(Default)]
pub struct GoogleToken {
    credentials: OnceCell<AccessTokenCredentials>,
}

impl GoogleToken {
    async fn credentials(&self) -> Result<&AccessTokenCredentials> {
        let find = async || {
            let found = Builder::default().with_scopes([SCOPE]).build_access_token_credentials();
            found.map_err(|error| Error::new(Kind::Misconfigured, OPERATION, "").because(error))
        };
        self.credentials.get_or_try_init(find).await
    }
}

#[async_trait]
impl AccessToken for GoogleToken {
    async fn bearer(&self) -> Result<SecretString> {
        let token = self.credentials().await?.access_token().await.map_err(|error| {
            let kind = if error.is_transient() { Kind::Unavailable } else { Kind::Misconfigured };
            Error::new(kind, OPERATION, "").because(error)
        })?;
        Ok(SecretString::from(token.token))
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
