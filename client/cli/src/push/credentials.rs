//! The tokens of the commands, for the device engine.

use std::sync::Arc;

use async_trait::async_trait;
use domain::Uid;
use engine::ports::{Credentials, NoToken, Token};

use crate::api::{Claims, Tokens};
use crate::messages::Message;

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
            // The command may need the network itself, and has told the user why it failed.
            Err(Message::TokenCommandFailed { .. }) => Err(NoToken::Later),
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

    #[tokio::test]
    async fn command_that_fails_is_tried_again_and_a_token_that_was_refused_for_good_is_not() {
        let ann = Uid::new("ann").unwrap();
        let of = |tokens| CommandCredentials { account: ann.clone(), tokens: Arc::new(tokens) };
        let offline = of(Tokens::command("exit 7".to_owned()));
        for refresh in [false, true] {
            assert!(matches!(offline.token(&ann, refresh).await, Err(NoToken::Later)));
        }
        let fixed = of(Tokens::fixed("token".to_owned().into()));
        assert!(fixed.token(&ann, false).await.is_ok());
        assert!(matches!(fixed.token(&ann, true).await, Err(NoToken::SignInNeeded)));
    }

    #[test]
    fn token_of_another_user_is_told_apart() {
        let ann = Uid::new("ann").unwrap();
        let of = |claims: &str| format!("e30.{}.", URL_SAFE_NO_PAD.encode(claims));
        assert!(!is_of_another(&of(r#"{"sub":"ann"}"#), &ann));
        assert!(is_of_another(&of(r#"{"sub":"ben"}"#), &ann));
        assert!(!is_of_another("a-token-that-names-nobody", &ann));
    }
}
