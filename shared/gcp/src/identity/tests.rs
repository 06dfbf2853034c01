//! Whose token is accepted and whose is not, and what happens while Google's keys cannot be fetched.

mod emulator;
mod firebase;
mod keys;
mod outage;
mod task;

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use emulators::keys::{KeyServer, SigningKey, google, stranger};
use flow::Kind;
use flow::ports::Identity;
use serde_json::{Value, json};
use testkit::TestClock;

use super::*;

const NOW: i64 = 1_795_287_900;
const PROJECT: &str = "afterword-prod";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The claims of Firebase's token for Ann.
fn claims() -> Value {
    json!({
        "iss": format!("https://securetoken.google.com/{PROJECT}"),
        "aud": PROJECT,
        "auth_time": NOW - 100,
        "user_id": "ann",
        "sub": "ann",
        "iat": NOW - 10,
        "exp": NOW + 3590,
        "email": "ann@example.org",
        "email_verified": true,
        "firebase": {"identities": {"email": ["ann@example.org"]}, "sign_in_provider": "password"},
    })
}

/// The claims with some fields changed; one that is `null` is removed.
fn but(mut claims: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn settings(keys_url: &str) -> FirebaseSettings {
    FirebaseSettings { keys_url: keys_url.to_owned(), ..FirebaseSettings::new(PROJECT) }
}

struct Site {
    server: KeyServer,
    identity: Arc<FirebaseIdentity>,
    clock: Arc<TestClock>,
}

async fn site() -> Site {
    site_with(|_| ()).await
}

async fn site_with(change: impl FnOnce(&mut FirebaseSettings)) -> Site {
    let (server, clock) = (KeyServer::start(&[google()]).await, TestClock::at(Timestamp::from_secs(NOW)));
    let mut settings = settings(&server.url);
    change(&mut settings);
    let identity = Arc::new(FirebaseIdentity::new(settings, clock.clone()).unwrap());
    Site { server, identity, clock }
}

impl Site {
    /// The user, or the reason that the caller gets.
    async fn verify(&self, token: &str) -> Result<String, String> {
        self.try_verify(token).await.unwrap()
    }

    async fn try_verify(&self, token: &str) -> flow::Result<Result<String, String>> {
        let verdict = self.identity.verify(token).await?;
        Ok(verdict.map(|uid| uid.to_string()).map_err(|denied| {
            let parts = token.split('.').filter(|part| part.len() > 8);
            assert!(parts.into_iter().all(|part| !denied.detail.contains(part)), "{}", denied.detail);
            denied.detail
        }))
    }

    /// Verifies a token with valid times, whatever the clock says, for tests about keys.
    async fn ask(&self, key: &SigningKey) -> flow::Result<Result<String, String>> {
        self.try_verify(&key.sign(&fresh(self))).await
    }

    async fn is_let_in(&self) {
        assert_eq!(self.ask(google()).await.unwrap().as_deref(), Ok("ann"));
    }

    async fn cannot_be_checked(&self, key: &SigningKey) {
        let error = self.ask(key).await.unwrap_err();
        assert_eq!((error.kind, error.operation), (Kind::Unavailable, "identity.keys"), "{error}");
    }
}

fn fresh(site: &Site) -> Value {
    use flow::ports::Clock;
    let now = site.clock.now().millis() / 1000;
    but(claims(), &json!({"iat": now, "auth_time": now, "exp": now + 3600}))
}
