//! What an answer of FCM means for the device's token, and for the push.

use std::time::{Duration, UNIX_EPOCH};

use domain::Timestamp;
use domain::time::millis;
use flow::Kind;
use flow::error::Source;
use flow::ports::PushOutcome;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::diagnosis::{Cause, Service};

/// The longest wait that is accepted; longer ones are cut. The job retries its push for a day.
const MAX_WAIT: Duration = Duration::from_secs(3600);
/// The most characters of FCM's message in an alert.
const MAX_WORDS: usize = 200;

pub struct FcmAnswer {
    pub status: StatusCode,
    pub wait: Option<Duration>,
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Sent {
    name: String,
}

#[derive(Default, Deserialize)]
struct Refusal {
    error: Refused,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    message: String,
    status: String,
    details: Vec<Detail>,
}

/// Two kinds of details matter: `FcmError` with its code, and `BadRequest` with the names of the
/// invalid fields.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    error_code: String,
    field_violations: Vec<Violation>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Violation {
    field: String,
}

impl FcmAnswer {
    /// Whether FCM refuses our access token. (Refusals by Apple or the browsers have this status too, but
    /// their own codes.)
    pub fn refuses_our_token(&self) -> bool {
        self.refused().is_about_us(self.status) == Some(Cause::Credentials)
    }

    fn refused(&self) -> Refused {
        serde_json::from_slice::<Refusal>(&self.body).unwrap_or_default().error
    }

    /// Returns an error for an answer that FCM does not give, so that it is unknown whether the message was
    /// sent.
    pub fn outcome(&self, token: &str, service: &Service) -> Result<PushOutcome, (Kind, Source)> {
        if self.status.is_success() {
            let sent = serde_json::from_slice::<Sent>(&self.body);
            let sent =
                sent.map_err(|_| (Kind::Unknown, format!("{} without the name of a message", self.status).into()))?;
            tracing::debug!(message = sent.name, "push accepted by FCM");
            return Ok(PushOutcome::Sent);
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS || self.status.is_server_error() {
            return Ok(PushOutcome::Later(self.wait));
        }
        let refused = self.refused();
        if refused.is_about_the_token(self.status) {
            return Ok(PushOutcome::Unregistered);
        }
        let reason = refused.reason(self.status, token);
        match refused.is_about_us(self.status) {
            Some(why) => Err((Kind::Misconfigured, service.diagnosis(why, reason).into())),
            None => Ok(PushOutcome::Rejected(reason)),
        }
    }
}

impl Refused {
    fn code(&self) -> &str {
        let said = self.details.iter().map(|detail| detail.error_code.as_str()).find(|code| !code.is_empty());
        said.unwrap_or(&self.status)
    }

    /// Whether FCM itself says that the token is invalid. A 404 alone may also mean a wrong address or
    /// project, which would delete every token.
    fn is_about_the_token(&self, status: StatusCode) -> bool {
        match status {
            StatusCode::NOT_FOUND => self.code() == "UNREGISTERED",
            StatusCode::BAD_REQUEST => self.code() == "INVALID_ARGUMENT" && self.names_the_token(),
            _ => false,
        }
    }

    /// Whether our credentials, our role or the project are to blame. Every push waits until that is
    /// repaired, and no device is at fault.
    fn is_about_us(&self, status: StatusCode) -> Option<Cause> {
        match (status, self.code()) {
            (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED") => Some(Cause::Credentials),
            (StatusCode::FORBIDDEN, "PERMISSION_DENIED") => Some(Cause::of_refusal(&self.message)),
            _ => None,
        }
    }

    fn names_the_token(&self) -> bool {
        let mut fields = self.details.iter().flat_map(|detail| &detail.field_violations).peekable();
        if fields.peek().is_some() {
            return fields.all(|violation| violation.field == "message.token");
        }
        self.message.contains("registration token")
    }

    /// A text for the person who has to look into it.
    fn reason(&self, status: StatusCode, token: &str) -> String {
        let mut words = self.message.clone();
        if !token.is_empty() {
            words = words.replace(token, "<token>");
        }
        let words: String = words.chars().take(MAX_WORDS).collect();
        match self.code() {
            "" => format!("{status}, and not from FCM"),
            code => format!("{status} {code}: {words}"),
        }
    }
}

/// `Retry-After` is a number of seconds or a date (RFC 9110, 10.2.3).
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
            now.until(Timestamp::from_millis(millis(at)))
        }
    };
    Some(wait.min(MAX_WAIT))
}
