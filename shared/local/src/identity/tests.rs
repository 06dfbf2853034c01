//! Which tokens are accepted, which are not, and what the caller is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Timestamp;
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::TestClock;

use super::*;

const NOW: i64 = 1_780_000_000;
const HOUR: Duration = Duration::from_secs(3600);

struct Fixture {
    identity: LocalIdentity,
    clock: Arc<TestClock>,
    folder: TempDir,
}

fn fixture() -> Fixture {
    let (clock, folder) = (TestClock::at(Timestamp::from_secs(NOW)), tempfile::tempdir().unwrap());
    let identity = LocalIdentity::open(folder.path(), clock.clone()).unwrap();
    Fixture { identity, clock, folder }
}

impl Fixture {
    async fn verify(&self, token: &str) -> Result<String, String> {
        let verdict = self.identity.verify(token).await.unwrap();
        verdict.map(|uid| uid.to_string()).map_err(|denied| {
            assert!(token.is_empty() || !denied.detail.contains(token));
            denied.detail
        })
    }

    /// A token signed with this server's key, with changed claims.
    fn signed(&self, change: Value) -> String {
        let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": NOW, "exp": NOW + 60});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.identity.key.signing).unwrap()
    }
}

fn ann() -> Uid {
    Uid::new("ann@example.org").unwrap()
}

#[tokio::test]
async fn token_is_accepted_until_it_expires() {
    let at = fixture();
    let token = at.identity.issue(&ann(), HOUR).unwrap();
    for after in [0, 3_599_999] {
        at.clock.set(Timestamp::from_millis(NOW * 1000 + after));
        assert_eq!(at.verify(&token).await.as_deref(), Ok("ann@example.org"));
    }
    at.clock.set(Timestamp::from_secs(NOW + 3600));
    assert_eq!(at.verify(&token).await.unwrap_err(), "the token expired at 2026-05-28T21:26:40.000Z");
    at.clock.set(Timestamp::from_secs(NOW - 60));
    assert_eq!(at.verify(&token).await.as_deref(), Ok("ann@example.org"), "a clock that is a minute slow");
    at.clock.set(Timestamp::from_secs(NOW - 61));
    assert_eq!(at.verify(&token).await.unwrap_err(), "the token was issued in the future, at 2026-05-28T20:26:40.000Z");
}

#[tokio::test]
async fn token_issued_between_two_seconds_is_valid_at_once_and_long_enough() {
    let at = fixture();
    at.clock.advance(Duration::from_millis(700));
    let token = at.identity.issue(&ann(), Duration::from_secs(2)).unwrap();
    for wait in [0, 1999] {
        at.clock.advance(Duration::from_millis(wait));
        assert!(at.verify(&token).await.is_ok());
    }
}

#[tokio::test]
async fn token_must_have_our_claims() {
    let at = fixture();
    assert_eq!(at.verify(&at.signed(json!({}))).await.as_deref(), Ok("ann"));
    assert_eq!(at.verify(&at.signed(json!({"nbf": NOW}))).await.as_deref(), Ok("ann"));
    let ahead = json!({"nbf": NOW + 60, "iat": NOW + 60});
    assert_eq!(at.verify(&at.signed(ahead)).await.as_deref(), Ok("ann"), "clocks differ by a minute");
    let wrong = [
        (json!({"iss": "https://accounts.example"}), "another issuer"),
        (json!({"iss": null}), "not a token"),
        (json!({"aud": "elsewhere"}), "another audience"),
        (json!({"aud": [AUDIENCE, "elsewhere"]}), "not a token"),
        (json!({"exp": NOW}), "expired at 2026-05-28T20:26:40.000Z"),
        (json!({"exp": "soon"}), "not a token"),
        (json!({"exp": -1}), "expired at 1969"),
        (json!({"nbf": NOW + 61}), "not valid before 2026-05-28T20:27:41.000Z"),
        (json!({"iat": NOW + 61}), "issued in the future"),
        (json!({"iat": i64::MAX}), "issued in the future"),
        (json!({"sub": ""}), "does not name a user"),
        (json!({"sub": "a/b"}), "does not name a user"),
        (json!({"sub": "x".repeat(129)}), "does not name a user"),
    ];
    for (change, why) in wrong {
        let detail = at.verify(&at.signed(change.clone())).await.unwrap_err();
        assert!(detail.contains(why), "{change}: {detail}");
    }
}

#[tokio::test]
async fn token_with_missing_claim_is_refused() {
    let at = fixture();
    for missing in ["iss", "aud", "sub", "exp"] {
        let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": NOW, "exp": NOW + 60});
        claims.as_object_mut().unwrap().remove(missing);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &at.identity.key.signing).unwrap();
        assert!(at.verify(&token).await.is_err(), "{missing}");
    }
}

#[tokio::test]
async fn only_tokens_signed_by_this_server_are_accepted() {
    let (at, other) = (fixture(), fixture());
    let token = other.identity.issue(&ann(), HOUR).unwrap();
    assert_eq!(at.verify(&token).await.unwrap_err(), "the token is not signed by this server");

    let own = at.identity.issue(&ann(), HOUR).unwrap();
    let parts: Vec<&str> = own.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(json!({"sub": "bob", "exp": NOW + 60}).to_string());
    for tampered in [format!("{}.{forged}.{}", parts[0], parts[2]), format!("{}.{}.", parts[0], parts[1])] {
        assert_eq!(at.verify(&tampered).await.unwrap_err(), "the token is not signed by this server");
    }
}

#[tokio::test]
async fn token_cannot_choose_its_algorithm() {
    let at = fixture();
    let own = at.identity.issue(&ann(), HOUR).unwrap();
    let payload = own.split('.').nth(1).unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    for unsigned in [format!("{none}.{payload}."), format!("{none}.{payload}")] {
        assert_eq!(at.verify(&unsigned).await.unwrap_err(), "this is not a token of this server");
    }

    let public = at.identity.key.checking.try_get_as_bytes().unwrap();
    let claims = Claims::new(&ann(), Timestamp::from_secs(NOW), HOUR);
    let shared = EncodingKey::from_secret(public);
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &shared).unwrap();
    assert!(at.verify(&token).await.unwrap_err().contains("not signed with EdDSA"));
}

#[tokio::test]
async fn malformed_token_is_denied_without_being_quoted() {
    let at = fixture();
    for text in ["", ".", "..", "a.b.c", "secret words", "é.é.é", &"x".repeat(MAX_TOKEN_BYTES + 1)] {
        assert!(at.verify(text).await.unwrap_err().starts_with("this is not a token of this server"));
    }
}

#[tokio::test]
async fn key_file_is_private_and_survives_restart() {
    let at = fixture();
    let token = at.identity.issue(&ann(), HOUR).unwrap();
    let file = at.folder.path().join("identity.pk8");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(at.folder.path()).unwrap().count(), 1);
    let again = LocalIdentity::open(at.folder.path(), at.clock.clone()).unwrap();
    assert!(again.verify(&token).await.unwrap().is_ok());
    assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid, Some(again.key.id));

    fs::write(&file, "no key").unwrap();
    let refused = LocalIdentity::open(at.folder.path(), at.clock.clone()).err().unwrap();
    assert!(matches!(refused, IdentityError::NotAKey { .. }));
    assert_eq!(fs::read(&file).unwrap(), b"no key", "a key that cannot be read is never replaced");
}

#[test]
fn servers_started_at_once_share_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    let ids: Vec<String> = std::thread::scope(|scope| {
        let opening: Vec<_> = (0..8).map(|_| scope.spawn(|| Key::open(&secrets).unwrap().id)).collect();
        opening.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}
