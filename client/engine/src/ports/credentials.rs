//! The tokens of accounts. The engine stores none.

use std::fmt;

use async_trait::async_trait;
use domain::Uid;

/// A secret that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token as the identity provider gave it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// The app cannot get one at the moment, for example because it is offline.
    Later,
    /// The user has to sign in. The engine waits until it is told that the credentials changed.
    SignInNeeded,
}

/// The app's way to a token.
#[async_trait]
pub trait Credentials: Send + Sync + 'static {
    /// A token of exactly this account, never of another one. `refresh` asks for a new one: the server refused the last.
    async fn token(&self, account: &Uid, refresh: bool) -> Result<Token, NoToken>;
}
