//! Errors as clients see them: `application/problem+json` (RFC 9457) with one code and one sentence for a person.

use std::fmt::Display;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use domain::Code;
use flow::Kind;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::limits;

/// The path of the page that explains a code. It is a relative reference, because only the operator knows the host. The
/// pages are `docs/errors/<code>.md`, served by `error_pages.rs`.
pub const ERROR_PAGES: &str = "/errors/";
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

pub(crate) const OUR_FAULT: &str = "Something went wrong on our side. It has been logged under the request id.";

pub(crate) const REASON: &str = "x-rate-limit-reason";
/// The header that shipped clients read: without it they do not take a 503 for "busy".
pub(crate) const SHIPPED_REASON: &str = "x-omi-rate-limit-reason";

/// What is wrong with one file of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileProblem {
    pub file: String,
    pub code: Code,
    pub detail: String,
    /// The number of bytes that have arrived, where more are to come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

impl FileProblem {
    pub fn new(file: &str, code: Code, detail: &str) -> Self {
        Self { file: file.to_owned(), code, detail: detail.to_owned(), offset: None }
    }
}

/// The error type of every handler. Path and request id are added by `render.rs`.
#[derive(Clone, Debug)]
pub struct Problem {
    pub code: Code,
    /// A sentence for the person at the client; it never contains internal text.
    pub detail: String,
    pub retry_after: Option<Duration>,
    pub errors: Vec<FileProblem>,
    /// Boxed, so that every handler's `Result` stays small.
    rest: Box<Rest>,
}

#[derive(Clone, Debug, Default)]
struct Rest {
    headers: HeaderMap,
    members: Map<String, Value>,
    /// The name under which shipped clients know the code.
    alias: Option<&'static str>,
    /// The internal cause, for the log only.
    cause: Option<String>,
    /// The failure lasts until an operator repairs something.
    needs_operator: bool,
    /// What the operator has to do, if it is known.
    remedy: Option<&'static str>,
}

/// What to do when a disk has no room. It does not pass by itself: what fills the disk may be anything.
const FULL_REMEDY: &str = "free some room on the disk of the data folder, or set blobs.reserve_bytes lower";

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after: None, errors: Vec::new(), rest: Box::default() }
    }

    /// An error of the server; `cause` goes to the log, never to the client.
    pub fn internal(cause: impl Display) -> Self {
        Self::new(Code::InternalError, OUR_FAULT).because(cause)
    }

    /// An error of a port under another code than [`From`] gives it, and without its wait.
    pub fn of_error(error: flow::Error, code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after: None, ..Self::from(error) }
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    #[must_use]
    pub fn files(mut self, errors: Vec<FileProblem>) -> Self {
        self.errors = errors;
        self
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.rest.headers.append(name, value);
        self
    }

    /// A further member of the body, such as `job_id`.
    #[must_use]
    pub fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.rest.members.insert(name.to_owned(), value.into());
        self
    }

    /// Writes `alias` as the `code` in the body: shipped clients know some codes by another name.
    #[must_use]
    pub fn known_as(mut self, alias: &'static str) -> Self {
        self.rest.alias = Some(alias);
        self
    }

    /// The internal cause, for the log line that carries the request id.
    #[must_use]
    pub fn because(mut self, cause: impl Display) -> Self {
        self.rest.cause = Some(cause.to_string());
        self
    }

    /// Whether the failure is logged as an error, because an operator has to look at it.
    pub(crate) fn needs_operator(&self) -> bool {
        // A store that does not answer now is 500 for shipped clients, and passes.
        self.rest.needs_operator
            || self.status() == StatusCode::INTERNAL_SERVER_ERROR && self.code != Code::StoreUnavailable
    }

    /// What an operator has to do, if one has to.
    pub(crate) fn remedy(&self) -> &'static str {
        const OUR_MISTAKE: &str = "this is a mistake of the program, or damage on its disk: report it with this line";
        self.rest.remedy.unwrap_or(OUR_MISTAKE)
    }

    pub fn cause(&self) -> Option<&str> {
        self.rest.cause.as_deref()
    }

    pub fn status(&self) -> StatusCode {
        // Codes of files and jobs have status 0. Using one to answer a request is a mistake of this program.
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The wait in whole seconds, rounded up, at least one: a client that comes back too early is refused again. It has
    /// a bound, whatever clock it was computed by.
    fn retry_after_secs(&self) -> Option<u64> {
        let longest = match self.code {
            Code::FairUseRestricted => limits::LONGEST_FAIR_USE_RETRY,
            _ => limits::LONGEST_RETRY,
        };
        let wait = self.retry_after?.min(longest);
        Some((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// Renders the answer; `origin` is the path and the request id, where they are known.
    pub(crate) fn render(&self, origin: Option<(&str, &str)>) -> Response {
        let code = self.rest.alias.unwrap_or(self.code.as_str());
        let mut body = self.rest.members.clone();
        body.insert("type".into(), format!("{ERROR_PAGES}{}", self.code).into());
        body.insert("title".into(), self.code.title().into());
        body.insert("status".into(), self.status().as_u16().into());
        body.insert("detail".into(), self.detail.clone().into());
        body.insert("code".into(), code.into());
        if let Some((path, request_id)) = origin {
            body.insert("instance".into(), path.into());
            body.insert("request_id".into(), request_id.into());
        }
        if let Some(seconds) = self.retry_after_secs() {
            body.insert("retry_after".into(), seconds.into());
        }
        if !self.errors.is_empty() {
            body.insert("errors".into(), json!(self.errors));
        }
        let mut response = Response::new(Body::from(Value::Object(body).to_string()));
        *response.status_mut() = self.status();
        *response.headers_mut() = self.headers();
        response
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = self.rest.headers.clone();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some(seconds) = self.retry_after_secs() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        let (reason, shipped) = match self.code {
            Code::FairUseRestricted => (Some("fair_use"), Some("fair_use")),
            Code::RateLimited => (Some("rate_limit"), None),
            Code::BackendBusy => (Some("backend_busy"), Some("backfill_capacity")),
            _ => (None, None),
        };
        let fields = [(REASON, reason), (SHIPPED_REASON, shipped)];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        headers.extend(given.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))));
        headers
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.render(None);
        // `render.rs` renders it again, with path and request id.
        response.extensions_mut().insert(self);
        response
    }
}

/// The only conversion of a port's error to an HTTP status.
impl From<flow::Error> for Problem {
    fn from(error: flow::Error) -> Self {
        let wait = error.retry_after.unwrap_or(match error.kind {
            Kind::Misconfigured => limits::RETRY_MISCONFIGURED,
            _ => limits::RETRY_UNAVAILABLE,
        });
        match error.kind {
            Kind::Unavailable | Kind::Unknown | Kind::Throttled | Kind::Full | Kind::Misconfigured => {
                let remedy = match error.kind {
                    Kind::Misconfigured => Some(flow::error::REMEDY),
                    Kind::Full => Some(FULL_REMEDY),
                    _ => None,
                };
                let detail = "The service cannot do this at the moment. Please try again later.";
                let mut problem = Self::new(Code::StorageUnavailable, detail).after(wait).because(error);
                problem.rest.needs_operator = remedy.is_some();
                problem.rest.remedy = remedy;
                problem
            }
            Kind::NotFound => Self::new(Code::NotFound, "There is no such thing, or no longer.").because(error),
            Kind::Conflict | Kind::Corrupt | Kind::Invalid => {
                let mut problem = Self::internal(error);
                problem.rest.needs_operator = true;
                problem
            }
        }
    }
}

#[cfg(test)]
mod tests;
