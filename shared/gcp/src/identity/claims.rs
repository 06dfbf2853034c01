//! The claims of a token, and the checks that all kinds of tokens share.

use std::time::Duration;

use domain::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// How far Google's clock may be ahead of ours. There is no leeway for the end of a token, because
/// Google's clients renew it minutes before.
const SKEW: Duration = Duration::from_secs(60);

/// Times are seconds since 1970. Every field has a default, so that the check can name the missing
/// claim.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub iat: Option<i64>,
    pub exp: Option<i64>,
    pub nbf: Option<i64>,
    pub auth_time: Option<i64>,
    /// A user's token may contain anything here; only tokens of tasks are checked for it.
    pub email: Value,
    pub email_verified: Value,
}

impl Claims {
    pub fn is_from(&self, issuers: &[&str]) -> Result<(), String> {
        if issuers.contains(&self.iss.as_str()) { Ok(()) } else { Err("the token is from another issuer".to_owned()) }
    }

    pub fn is_for(&self, audience: &str) -> Result<(), String> {
        if self.aud == audience { Ok(()) } else { Err("the token is for another audience".to_owned()) }
    }

    pub fn is_valid_at(&self, now: Timestamp) -> Result<(), String> {
        let expires = seconds(self.exp.ok_or("the token does not say when it ends")?);
        if now.has_reached(expires) {
            return Err(format!("the token expired at {expires}"));
        }
        let issued = seconds(self.iat.ok_or("the token does not say when it was issued")?);
        if is_ahead(issued, now) {
            return Err(format!("the token was issued in the future, at {issued}"));
        }
        match self.nbf.map(seconds).filter(|from| is_ahead(*from, now)) {
            Some(from) => Err(format!("the token is not valid before {from}")),
            None => Ok(()),
        }
    }

    /// Checks when the user signed in, which is before the token was issued.
    pub fn was_signed_in_by(&self, now: Timestamp) -> Result<(), String> {
        let at = seconds(self.auth_time.ok_or("the token does not say when its user signed in")?);
        if is_ahead(at, now) { Err(format!("the user of the token signs in in the future, at {at}")) } else { Ok(()) }
    }
}

fn is_ahead(at: Timestamp, now: Timestamp) -> bool {
    !(now + SKEW).has_reached(at)
}

fn seconds(since_1970: i64) -> Timestamp {
    Timestamp::from_millis(since_1970.saturating_mul(1000))
}
