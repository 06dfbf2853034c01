//! The claims of a token, and whether they are valid now.

use std::time::Duration;

use domain::{Timestamp, Uid};
use serde::{Deserialize, Serialize};

pub const ISSUER: &str = "afterword-local";
pub const AUDIENCE: &str = "afterword";

/// How far the clock that issued a token may be ahead of the one that verifies it: the clock may have been set back a
/// little since, or another machine with the same key issued it. There is no leeway for the end of a token.
const SKEW: Duration = Duration::from_secs(60);

/// Times are seconds since 1970. Every field has a default, so that the check can name the missing
/// claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub iat: i64,
    pub exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
}

impl Claims {
    pub fn new(uid: &Uid, now: Timestamp, ttl: Duration) -> Self {
        Self {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: uid.to_string(),
            // Rounded down for the beginning and up for the end: the token is valid from now on, and not shorter
            // than requested.
            iat: now.millis().div_euclid(1000),
            exp: (now + ttl).millis().saturating_add(999).div_euclid(1000),
            nbf: None,
        }
    }

    pub fn expires_at(&self) -> Timestamp {
        seconds(self.exp)
    }

    /// Returns the user, or why the token is refused.
    pub fn check(&self, now: Timestamp) -> Result<Uid, String> {
        if self.iss != ISSUER {
            return Err("the token is from another issuer".to_owned());
        }
        if self.aud != AUDIENCE {
            return Err("the token is for another audience".to_owned());
        }
        if now.has_reached(self.expires_at()) {
            return Err(format!("the token expired at {}", self.expires_at()));
        }
        if let Some(from) = self.nbf.map(seconds).filter(|from| is_ahead(*from, now)) {
            return Err(format!("the token is not valid before {from}"));
        }
        if is_ahead(seconds(self.iat), now) {
            return Err(format!("the token was issued in the future, at {}", seconds(self.iat)));
        }
        Uid::new(self.sub.as_str()).map_err(|_| "the token does not name a user".to_owned())
    }
}

fn is_ahead(at: Timestamp, now: Timestamp) -> bool {
    !(now + SKEW).has_reached(at)
}

fn seconds(since_1970: i64) -> Timestamp {
    Timestamp::from_millis(since_1970.saturating_mul(1000))
}
