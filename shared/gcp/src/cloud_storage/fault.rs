//! What Google says no with, over JSON REST and over gRPC, as one kind of error. Addresses of upload sessions are
//! credentials, and appear in none.

use std::time::Duration;

use flow::error::Source;
use flow::{Error, Kind};
use google_cloud_auth::errors::CredentialsError;
use google_cloud_gax::error::rpc::Code;
use http::HeaderMap;
use http::header::RETRY_AFTER;
use serde::Deserialize;

use crate::diagnosis::{Service, Why, causes, token_words};
use crate::retry_policy::TimedOut;

/// Of what a service says, so much is passed on.
const MOST_SAID: usize = 300;

/// Which operation a request belongs to.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub operation: &'static str,
    pub subject: &'a str,
    service: &'a Service,
    /// Whether a request whose answer is lost may have changed something.
    writes: bool,
}

/// A request that was not granted, whichever protocol it came by.
#[derive(Debug)]
pub struct No {
    pub status: u16,
    reason: String,
    message: String,
    retry_after: Option<Duration>,
}

impl No {
    /// Google says the same for an object and for a bucket that is not there, but in other words: JSON REST and gRPC
    /// alike.
    fn is_about_bucket(&self) -> bool {
        self.message.contains("bucket does not exist")
    }

    pub fn is_about_sum(&self) -> bool {
        self.status == 400 && (self.message.contains("CRC32C") || self.message.contains("crc32c"))
    }
}

impl<'a> Call<'a> {
    pub fn new(operation: &'static str, subject: &'a str, service: &'a Service) -> Self {
        Self { operation, subject, service, writes: false }
    }

    #[must_use]
    pub fn writing(self) -> Self {
        Self { writes: true, ..self }
    }

    pub fn error(&self, kind: Kind) -> Error {
        Error::new(kind, self.operation, self.subject)
    }

    pub fn misconfigured(&self, why: String) -> Error {
        self.error(Kind::Misconfigured).because(why)
    }

    pub fn no_bucket(&self) -> Error {
        self.error(Kind::Misconfigured)
            .because(self.service.diagnosis(Why::Missing, format!("there is no {}", self.service.what)))
    }

    /// The answer is not there: whether something was done, who knows.
    fn lost(&self) -> Error {
        self.error(if self.writes { Kind::Unknown } else { Kind::Unavailable })
    }

    /// A request that brought no answer.
    pub fn unanswered(&self, why: reqwest::Error) -> Error {
        if why.is_connect() {
            return self.unreachable(&why.without_url());
        }
        self.broke_off(&why.without_url())
    }

    fn unreachable(&self, why: &(dyn std::error::Error + 'static)) -> Error {
        self.error(Kind::Unavailable).because(self.service.unreachable(causes(why)))
    }

    fn broke_off(&self, why: &(dyn std::error::Error + 'static)) -> Error {
        let fact = format!("{}: {}", self.service.what, causes(why));
        self.lost().because(self.service.diagnosis(Why::Away, fact))
    }

    /// An answer that cannot be understood.
    pub fn nonsense(&self, why: &str) -> Error {
        self.lost().because(format!("the answer {why}"))
    }

    pub fn no_credentials(&self, why: &CredentialsError) -> Error {
        let kind = if why.is_transient() { Kind::Unavailable } else { Kind::Misconfigured };
        self.error(kind).because(self.service.no_token(token_words(why)))
    }

    pub fn refused(&self, no: &No) -> Error {
        if no.status == 404 && no.is_about_bucket() {
            return self.no_bucket();
        }
        let error = self.error(self.kind(no)).because(self.told(no));
        match no.retry_after {
            Some(wait) => error.after(wait),
            None => error,
        }
    }

    /// What arrived there is not what was sent.
    pub fn refused_sum(&self, no: &No) -> Error {
        self.error(Kind::Corrupt).because(said(no, &self.service.what))
    }

    fn kind(&self, no: &No) -> Kind {
        match no.status {
            // Quota is 429, and in older words 403.
            403 if no.reason.to_ascii_lowercase().ends_with("ratelimitexceeded") => Kind::Throttled,
            401 | 403 => Kind::Misconfigured,
            404 | 410 => Kind::NotFound,
            412 => Kind::Conflict,
            429 => Kind::Throttled,
            408 | 409 | 503 => Kind::Unavailable,
            // Something broke on their side, perhaps after it was done.
            500.. if self.writes => Kind::Unknown,
            500.. => Kind::Unavailable,
            _ => Kind::Invalid,
        }
    }

    fn told(&self, no: &No) -> Source {
        let why = match self.kind(no) {
            Kind::Throttled => Why::Quota,
            Kind::Misconfigured if no.status == 401 => Why::Credentials,
            Kind::Misconfigured => Why::of_refusal(&no.message),
            Kind::Unavailable | Kind::Unknown => Why::Away,
            _ => return said(no, &self.service.what).into(),
        };
        self.service.diagnosis(why, said(no, &self.service.what)).into()
    }

    /// What Google's crate says.
    pub fn failed(&self, why: &google_cloud_storage::Error) -> Error {
        match no_of(why) {
            Some(no) => self.refused(&no),
            None if why.is_authentication() => {
                let source = std::error::Error::source(why).and_then(|source| source.downcast_ref());
                source.map_or_else(|| self.misconfigured(causes(why)), |source| self.no_credentials(source))
            }
            None if why.is_connect() => self.unreachable(why),
            None => self.broke_off(why),
        }
    }
}

impl TimedOut for Call<'_> {
    fn late(&self, limit: Duration) -> Error {
        let fact = format!("{}: no answer within {} s", self.service.what, limit.as_secs_f64());
        self.lost().because(self.service.diagnosis(Why::Away, fact))
    }
}

fn said(no: &No, what: &str) -> String {
    let said: String = no.message.chars().filter(|c| !c.is_control()).take(MOST_SAID).collect();
    format!("{what}: Cloud Storage answered {} {said}", no.status).trim_end().to_owned()
}

/// The status that JSON REST gives, or would give.
pub fn no_of(why: &google_cloud_storage::Error) -> Option<No> {
    if let Some(status) = why.http_status_code() {
        let headers = why.http_headers().cloned().unwrap_or_default();
        let no = rest_no(status, &headers, why.http_payload().map_or(&[], |payload| &payload[..]));
        // What the crate could read, it keeps as a status, and the payload is gone.
        let message = why.status().map(|said| said.message.clone()).filter(|_| no.message.is_empty());
        return Some(No { message: message.unwrap_or(no.message), ..no });
    }
    let said = why.status()?;
    let status = match said.code {
        Code::InvalidArgument => 400,
        Code::OutOfRange => 416,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::FailedPrecondition => 412,
        Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
        Code::Unimplemented => 405,
        _ => 500,
    };
    let retry_after = why.http_headers().and_then(retry_after);
    Some(No { status, reason: String::new(), message: said.message.clone(), retry_after })
}

/// An answer of JSON REST that is no success.
pub fn rest_no(status: u16, headers: &HeaderMap, body: &[u8]) -> No {
    let said = serde_json::from_slice::<Said>(body).ok().map(|said| said.error).unwrap_or_default();
    let reason = said.errors.into_iter().next().map(|one| one.reason).unwrap_or_default();
    // Uploads and reads are often refused in plain words.
    let plain = || String::from_utf8_lossy(&body[..body.len().min(MOST_SAID)]).into_owned();
    let message = if said.message.is_empty() { plain() } else { said.message };
    No { status, reason, message, retry_after: retry_after(headers) }
}

#[derive(Deserialize)]
struct Said {
    error: Refusal,
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    reason: String,
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
