//! Converts refusals of JSON REST and gRPC to one error type. The addresses of upload sessions are
//! credentials and appear in no error.

use std::time::Duration;

use flow::error::Source;
use flow::{Error, Kind};
use google_cloud_auth::errors::CredentialsError;
use google_cloud_gax::error::rpc::Code;
use http::HeaderMap;
use http::header::RETRY_AFTER;
use serde::Deserialize;

use crate::diagnosis::{Cause, Service, causes, token_words};
use crate::retry_policy::TimeoutError;

/// The longest text of a service that is passed on.
const MAX_MESSAGE_CHARS: usize = 300;

/// The operation that a request belongs to.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub operation: &'static str,
    pub subject: &'a str,
    service: &'a Service,
    /// Whether a request may have changed something although its answer was lost.
    writes: bool,
}

/// A refused request, over either protocol.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    reason: String,
    message: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// Google uses one status for a missing object and a missing bucket; only the message differs, for JSON
    /// REST and gRPC alike.
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
            .because(self.service.diagnosis(Cause::Missing, format!("there is no {}", self.service.what)))
    }

    /// The answer was lost: if the request writes, it is unknown whether it took effect.
    fn lost(&self) -> Error {
        self.error(if self.writes { Kind::Unknown } else { Kind::Unavailable })
    }

    /// A request without an answer.
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
        self.lost().because(self.service.diagnosis(Cause::Away, fact))
    }

    /// An answer that cannot be parsed.
    pub fn nonsense(&self, why: &str) -> Error {
        self.lost().because(format!("the answer {why}"))
    }

    pub fn no_credentials(&self, why: &CredentialsError) -> Error {
        let kind = if why.is_transient() { Kind::Unavailable } else { Kind::Misconfigured };
        self.error(kind).because(self.service.no_token(token_words(why)))
    }

    pub fn refused(&self, refusal: &Refusal) -> Error {
        if refusal.status == 404 && refusal.is_about_bucket() {
            return self.no_bucket();
        }
        let error = self.error(self.kind(refusal)).because(self.source_of(refusal));
        match refusal.retry_after {
            Some(wait) => error.after(wait),
            None => error,
        }
    }

    /// The bytes that arrived are not those that were sent.
    pub fn refused_sum(&self, refusal: &Refusal) -> Error {
        self.error(Kind::Corrupt).because(shown(refusal, &self.service.what))
    }

    fn kind(&self, refusal: &Refusal) -> Kind {
        match refusal.status {
            // Exceeded quota is 429, and 403 in older responses.
            403 if refusal.reason.to_ascii_lowercase().ends_with("ratelimitexceeded") => Kind::Throttled,
            401 | 403 => Kind::Misconfigured,
            404 | 410 => Kind::NotFound,
            412 => Kind::Conflict,
            429 => Kind::Throttled,
            408 | 409 | 503 => Kind::Unavailable,
            // A server error, perhaps after the change was made.
            500.. if self.writes => Kind::Unknown,
            500.. => Kind::Unavailable,
            _ => Kind::Invalid,
        }
    }

    fn source_of(&self, refusal: &Refusal) -> Source {
        let why = match self.kind(refusal) {
            Kind::Throttled => Cause::Quota,
            Kind::Misconfigured if refusal.status == 401 => Cause::Credentials,
            Kind::Misconfigured => Cause::of_refusal(&refusal.message),
            Kind::Unavailable | Kind::Unknown => Cause::Away,
            _ => return shown(refusal, &self.service.what).into(),
        };
        self.service.diagnosis(why, shown(refusal, &self.service.what)).into()
    }

    /// Converts an error of Google's crate.
    pub fn failed(&self, why: &google_cloud_storage::Error) -> Error {
        match refusal_of(why) {
            Some(refusal) => self.refused(&refusal),
            None if why.is_authentication() => {
                let source = std::error::Error::source(why).and_then(|source| source.downcast_ref());
                source.map_or_else(|| self.misconfigured(causes(why)), |source| self.no_credentials(source))
            }
            None if why.is_connect() => self.unreachable(why),
            None => self.broke_off(why),
        }
    }
}

impl TimeoutError for Call<'_> {
    fn timed_out(&self, limit: Duration) -> Error {
        let fact = format!("{}: no answer within {} s", self.service.what, limit.as_secs_f64());
        self.lost().because(self.service.diagnosis(Cause::Away, fact))
    }
}

fn shown(refusal: &Refusal, what: &str) -> String {
    let words: String = refusal.message.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect();
    format!("{what}: Cloud Storage answered {} {words}", refusal.status).trim_end().to_owned()
}

/// The HTTP status of an error; for gRPC the one that JSON REST would return.
pub fn refusal_of(why: &google_cloud_storage::Error) -> Option<Refusal> {
    if let Some(status) = why.http_status_code() {
        let headers = why.http_headers().cloned().unwrap_or_default();
        let refusal = rest_refusal(status, &headers, why.http_payload().map_or(&[], |payload| &payload[..]));
        // The crate keeps only a status of a response that it can parse, and drops the payload.
        let message = why.status().map(|status| status.message.clone()).filter(|_| refusal.message.is_empty());
        return Some(Refusal { message: message.unwrap_or(refusal.message), ..refusal });
    }
    let grpc = why.status()?;
    let status = match grpc.code {
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
    Some(Refusal { status, reason: String::new(), message: grpc.message.clone(), retry_after })
}

/// Parses an unsuccessful response of JSON REST.
pub fn rest_refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let details = serde_json::from_slice::<ErrorBody>(body).ok().map(|body| body.error).unwrap_or_default();
    let reason = details.errors.into_iter().next().map(|error| error.reason).unwrap_or_default();
    // Refusals of uploads and reads are often plain text.
    let plain = || String::from_utf8_lossy(&body[..body.len().min(MAX_MESSAGE_CHARS)]).into_owned();
    let message = if details.message.is_empty() { plain() } else { details.message };
    Refusal { status, reason, message, retry_after: retry_after(headers) }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetails,
}

#[derive(Default, Deserialize)]
struct ErrorDetails {
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
