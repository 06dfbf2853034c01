//! The tokens of the commands, for the device engine.

use std::sync::Arc;

use async_trait::async_trait;
use domain::Uid;
use engine::ports::{Credentials, NoToken, Token};

use crate::api::{Claims, Tokens};

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
            // A command that prints tokens may print one of another user, whose recordings these are not.
            Ok(Some(token)) if is_of_another(&token, account) => Err(NoToken::SignInNeeded),
            Ok(Some(token)) => Ok(Token::new(token)),
            Ok(None) | Err(_) => Err(NoToken::SignInNeeded),
        }
    }
}

fn is_of_another(token: &str, account: &Uid) -> bool {
    Claims::of(token).sub.is_some_and(|sub| sub != account.as_str())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn token_of_another_user_is_told_apart() {
        let ann = Uid::new("ann").unwrap();
        let of = |claims: &str| format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims));
        assert!(!is_of_another(&of(r#"{"sub":"ann"}"#), &ann));
        assert!(is_of_another(&of(r#"{"sub":"ben"}"#), &ann));
        assert!(!is_of_another("a-token-that-names-nobody", &ann));
    }
}
