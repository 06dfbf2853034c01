//! Identifies users on one machine: tokens that this server signs itself, with a key made at its first
//! start.

mod claims;
mod error;
mod key;
mod token_cache;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::Uid;
use flow::ports::{Clock, Denied, Identity};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};

use claims::Claims;
pub use claims::{AUDIENCE, ISSUER};
pub use error::IdentityError;
use key::Key;
use token_cache::{Fingerprint, TokenCache};

/// Tokens of this server have about 300 bytes; a much longer one is refused unread.
const MAX_TOKEN_BYTES: usize = 4096;

/// Issues tokens and checks them.
pub struct LocalIdentity {
    key: Key,
    clock: Arc<dyn Clock>,
    signature_only: Validation,
    token_cache: TokenCache,
}

impl LocalIdentity {
    /// Reads the key from the folder, or creates one. Processes that start at once end up with the same
    /// key.
    pub fn open(secrets_dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, IdentityError> {
        let key = Key::open(secrets_dir)?;
        let mut signature_only = Validation::new(Algorithm::EdDSA);
        // The library would use the system's clock. Times are checked against the port's clock in
        // `Claims::check`.
        (signature_only.validate_exp, signature_only.validate_aud) = (false, false);
        signature_only.required_spec_claims.clear();
        Ok(Self { key, clock, signature_only, token_cache: TokenCache::default() })
    }

    /// Issues a token that authenticates its bearer as this user.
    pub fn issue(&self, uid: &Uid, ttl: Duration) -> Result<String, IdentityError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.key.id.clone());
        let claims = Claims::new(uid, self.clock.now(), ttl);
        jsonwebtoken::encode(&header, &claims, &self.key.signing).map_err(IdentityError::NotSigned)
    }

    fn check(&self, token: &str) -> Result<Uid, String> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(format!("this is not a token of this server: it has more than {MAX_TOKEN_BYTES} bytes"));
        }
        let fingerprint = Fingerprint::of(token);
        let (claims, is_new) = match self.token_cache.get(&fingerprint) {
            Some(claims) => (claims, false),
            None => (Arc::new(self.signed(token)?), true),
        };
        let now = self.clock.now();
        let uid = claims.check(now)?;
        if is_new {
            self.token_cache.put(fingerprint, claims, now);
        }
        Ok(uid)
    }

    fn signed(&self, token: &str) -> Result<Claims, String> {
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.key.checking, &self.signature_only);
        // Only the kind of error is reported, because the library's messages may quote the token.
        decoded.map(|decoded| decoded.claims).map_err(|error| {
            let why = match error.kind() {
                ErrorKind::InvalidSignature => "the token is not signed by this server",
                ErrorKind::InvalidAlgorithm => "the token is not signed with EdDSA, as those of this server are",
                _ => "this is not a token of this server",
            };
            why.to_owned()
        })
    }
}

#[async_trait]
impl Identity for LocalIdentity {
    async fn verify(&self, token: &str) -> flow::Result<Result<Uid, Denied>> {
        Ok(self.check(token).map_err(|detail| Denied { detail }))
    }
}

#[cfg(test)]
mod tests;
