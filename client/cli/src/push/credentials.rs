//! The tokens of the commands, for the device engine.

use std::sync::Arc;

use async_trait::async_trait;
use domain::Uid;
use engine::ports::{Credentials, NoToken, Token};

use crate::api::Tokens;

/// Tokens of the one account of a command.
pub struct CommandCredentials {
    pub account: Uid,
    pub tokens: Arc<Tokens>,
}

#[async_trait]
impl Credentials for CommandCredentials {
    async fn token(&self, account: &Uid, refresh: bool) -> Result<Token, NoToken> {
        if *account != self.account {
            return Err(NoToken::SignInNeeded);
        }
        let token = if refresh { self.tokens.another().await } else { self.tokens.current().await.map(Some) };
        match token {
            Ok(Some(token)) => Ok(Token::new(token)),
            Ok(None) | Err(_) => Err(NoToken::SignInNeeded),
        }
    }
}
