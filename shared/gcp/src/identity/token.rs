//! Parses a token and verifies that one of the known keys signed it with RS256.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flow::Result;
use flow::ports::Denied;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::claims::Claims;
use super::keys::Keys;

/// The longest token that is read. Firebase's have one to two KiB, with custom claims of at most 1000
/// bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
const MAX_KEY_ID_BYTES: usize = 256;
const NOT_A_TOKEN: &str = "this is not an ID token";

type Verdict<T> = std::result::Result<T, Denied>;

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    /// Extensions that a verifier must understand (RFC 7515, 4.1.11). We support none.
    crit: Option<serde_json::Value>,
}

pub fn denied(detail: impl Into<String>) -> Denied {
    Denied { detail: detail.into() }
}

/// The claims of a token that a known key has signed. The claims themselves are not checked here.
pub async fn signed(keys: &Keys, token: &str) -> Result<Verdict<Claims>> {
    let id = match key_id(token) {
        Ok(id) => id,
        Err(denied) => return Ok(Err(denied)),
    };
    Ok(match keys.find(&id).await? {
        Some(key) => by_key(token, &key),
        None => Err(denied("the token is signed with a key that is not Google's")),
    })
}

fn key_id(token: &str) -> Verdict<String> {
    let [head, ..] = parts(token)?;
    let head: Head = json(head)?;
    if head.alg.eq_ignore_ascii_case("none") {
        return Err(denied("the token is not signed"));
    }
    // This is checked before any key is looked up: with another algorithm a public key could be abused as
    // a secret.
    if head.alg != "RS256" {
        return Err(denied("the token is not signed with RS256"));
    }
    if head.crit.is_some() {
        return Err(denied("the token demands an extension that is not known here"));
    }
    match head.kid {
        Some(id) if !id.is_empty() && id.len() <= MAX_KEY_ID_BYTES => Ok(id),
        _ => Err(denied("the token does not name the key that it is signed with")),
    }
}

fn by_key(token: &str, key: &DecodingKey) -> Verdict<Claims> {
    let mut signature_only = Validation::new(Algorithm::RS256);
    // The library would use the system's clock. Times are checked against the port's clock in `Claims`.
    (signature_only.validate_exp, signature_only.validate_aud) = (false, false);
    signature_only.required_spec_claims.clear();
    let decoded = jsonwebtoken::decode::<Claims>(token, key, &signature_only);
    // Only the kind of error is reported, because the library's messages may quote the token.
    decoded.map(|decoded| decoded.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => denied("the token is not signed by the key that it names"),
        _ => denied(NOT_A_TOKEN),
    })
}

/// The claims of a token of the Firebase emulator: its `alg` is `none`, and it has no signature.
pub fn unsigned(token: &str) -> Verdict<Claims> {
    let [head, claims, signature] = parts(token)?;
    let head: Head = json(head)?;
    if head.alg != "none" || !signature.is_empty() {
        return Err(denied("beside the Firebase emulator only its own, unsigned tokens are taken"));
    }
    json(claims)
}

fn parts(token: &str) -> Verdict<[&str; 3]> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(denied(format!("{NOT_A_TOKEN}: it has more than {MAX_TOKEN_BYTES} bytes")));
    }
    let mut parts = token.split('.');
    match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some(head), Some(claims), Some(signature), None] => Ok([head, claims, signature]),
        _ => Err(denied(NOT_A_TOKEN)),
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Verdict<T> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| denied(NOT_A_TOKEN))?;
    serde_json::from_slice(&bytes).map_err(|_| denied(NOT_A_TOKEN))
}
