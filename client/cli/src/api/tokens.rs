//! Where the token of a request comes from, and what it says about its user.

use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use terminal::plain;

use crate::local_server::LocalServer;
use crate::messages::Message;

/// How long a command may take that prints a token. It may ask a provider over the network.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// The most bytes of a token.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// The source of tokens.
pub struct Tokens {
    source: Source,
    /// The token that is used until it is refused.
    current: Mutex<Option<SecretString>>,
}

enum Source {
    Fixed,
    Command(String),
    Local(Box<LocalServer>),
}

impl Tokens {
    pub fn fixed(token: SecretString) -> Self {
        Self { source: Source::Fixed, current: Mutex::new(Some(token)) }
    }

    /// Tokens that a command prints.
    pub fn command(command: String) -> Self {
        Self { source: Source::Command(command), current: Mutex::new(None) }
    }

    /// Tokens of the server on this machine.
    pub fn local(server: LocalServer) -> Self {
        Self { source: Source::Local(Box::new(server)), current: Mutex::new(None) }
    }

    /// The token to use now.
    pub async fn current(&self) -> Result<String, Message> {
        let known = self.lock().as_ref().map(|token| token.expose_secret().to_owned());
        match known {
            Some(token) => Ok(token),
            // A fixed token is always known.
            None => Ok(self.another().await?.unwrap_or_default()),
        }
    }

    /// A new token after the last one was refused; `None` if there is no way to one.
    pub async fn another(&self) -> Result<Option<String>, Message> {
        let token = match &self.source {
            Source::Fixed => return Ok(None),
            Source::Command(command) => printed(command).await?,
            Source::Local(server) => {
                (server.token)().map_err(|why| Message::DataFolderUnusable { folder: server.url.clone(), why })?
            }
        };
        let text = token.expose_secret().to_owned();
        *self.lock() = Some(token);
        Ok(Some(text))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<SecretString>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text that may be sent as a token.
pub fn checked(text: &str) -> Result<SecretString, Message> {
    let token = text.trim();
    let is_token = !token.is_empty() && token.len() <= MAX_TOKEN_BYTES && token.bytes().all(|b| b.is_ascii_graphic());
    if is_token { Ok(SecretString::from(token)) } else { Err(Message::InvalidToken) }
}

/// Runs the command of a user in a shell, as they wrote it.
async fn printed(command: &str) -> Result<SecretString, Message> {
    let failed = |why: String| Message::TokenCommandFailed { command: plain(command), why };
    let mut shell = tokio::process::Command::new("sh");
    // What the command says about its errors is for the user, and it may ask the user something.
    shell.arg("-c").arg(command).stdout(Stdio::piped()).kill_on_drop(true);
    let child = shell.spawn().map_err(|error| failed(format!("cannot be started ({error})")))?;
    let output = tokio::time::timeout(COMMAND_TIMEOUT, child.wait_with_output()).await;
    let output = output
        .map_err(|_| failed(format!("has not ended within {} s", COMMAND_TIMEOUT.as_secs())))?
        .map_err(|error| failed(format!("cannot be read ({error})")))?;
    if !output.status.success() {
        return Err(failed(format!("failed ({})", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    checked(&text).map_err(|_| failed("printed no token".to_owned()))
}

/// What a token says about itself. The server decides whether it is true; here it is only shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Claims {
    pub sub: Option<String>,
    /// Seconds since 1970.
    exp: Option<i64>,
    /// The key of an Afterword server that signs its tokens itself. A server that is set up anew has another one.
    #[serde(skip)]
    pub server_key: Option<String>,
}

#[derive(Default, Deserialize)]
struct Header {
    alg: Option<String>,
    kid: Option<String>,
}

impl Claims {
    /// Nothing for a token of another kind than a JSON Web Token.
    pub fn of(token: &str) -> Self {
        let header: Header = part(token, 0).unwrap_or_default();
        let claims: Self = part(token, 1).unwrap_or_default();
        // The keys of other providers change every few days.
        let server_key = header.kid.filter(|_| header.alg.as_deref() == Some("EdDSA"));
        Self { sub: claims.sub.map(|sub| plain(&sub)), server_key, ..claims }
    }

    pub fn expires(&self) -> Option<Timestamp> {
        Some(Timestamp::from_millis(self.exp?.checked_mul(1000)?))
    }
}

fn part<T: DeserializeOwned>(token: &str, n: usize) -> Option<T> {
    let json = URL_SAFE_NO_PAD.decode(token.split('.').nth(n)?).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_end_of_a_token_are_read_and_anything_else_is_nothing() {
        let token = |json: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(json));
        let claims = Claims::of(&token(r#"{"sub":"ann\u001b[2J","exp":1800000000,"aud":"x"}"#));
        assert_eq!(claims.sub.as_deref(), Some("ann[2J"));
        assert_eq!(claims.expires(), Some(Timestamp::from_secs(1_800_000_000)));
        for odd in ["", "opaque", "a.b.c", "..", &token("[]"), &token(r#"{"sub":1}"#)] {
            assert_eq!(Claims::of(odd), Claims::default(), "{odd}");
        }
        assert_eq!(Claims::of(&token(r#"{"exp":9223372036854775807}"#)).expires(), None);
    }

    #[test]
    fn token_has_no_spaces_or_line_breaks_inside() {
        assert_eq!(checked(" token\n").unwrap().expose_secret(), "token");
        for wrong in ["", " \n", "two words", "a\nb", "ü", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
            assert_eq!(checked(wrong).unwrap_err(), Message::InvalidToken);
        }
    }

    #[tokio::test]
    async fn command_that_prints_no_token_is_told() {
        assert_eq!(printed("echo token").await.unwrap().expose_secret(), "token");
        for (command, why) in
            [("exit 3", "failed (exit status: 3)"), ("true", "printed no token"), ("echo a b", "printed")]
        {
            let told = printed(command).await.unwrap_err().to_string();
            assert!(told.contains(why) && told.contains(command), "{told}");
        }
    }
}
