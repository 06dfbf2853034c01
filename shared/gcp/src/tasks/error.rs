//! Maps errors of Google's library to our kinds of errors.

use std::fmt;
use std::time::Duration;

use flow::error::Source;
use flow::{Error, Kind};
use google_cloud_gax::client_builder;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::error::{CredentialsError, Error as Google};

use crate::diagnosis::{Cause, Service, causes, token_words};

/// The most characters of a service's message; an HTML error page may be long.
const MAX_WORDS: usize = 300;

/// An error without the operation in which it occurred.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub retry_after: Option<Duration>,
    diagnosis: Option<Cause>,
    message: String,
}

impl Failure {
    pub fn new(kind: Kind, why: impl fmt::Display) -> Self {
        let diagnosis = match kind {
            Kind::Unavailable | Kind::Unknown => Some(Cause::Away),
            Kind::Throttled => Some(Cause::Quota),
            _ => None,
        };
        let message = why.to_string().chars().take(MAX_WORDS).collect();
        Self { kind, retry_after: None, diagnosis, message }
    }

    pub fn of(error: &Google) -> Self {
        let message = if error.is_authentication() { token_words(error) } else { causes(error) };
        let failure = Self::new(kind(error), message);
        let diagnosis = diagnosis(error, &failure.message).or(failure.diagnosis);
        Self { retry_after: retry_after(error), diagnosis, ..failure }
    }

    /// The client could not be created: there are no credentials here, or they are broken.
    pub fn of_client(error: &client_builder::Error) -> Self {
        Self { diagnosis: Some(Cause::Credentials), ..Self::new(Kind::Misconfigured, causes(error)) }
    }

    pub fn at(self, operation: &'static str, subject: impl fmt::Display, service: &Service) -> Error {
        let source: Source = match self.diagnosis {
            Some(Cause::Unreachable) => service.unreachable(self.message).into(),
            Some(Cause::Credentials) => service.no_token(self.message).into(),
            Some(why) => service.diagnosis(why, format!("{}: {}", service.what, self.message)).into(),
            None => self.message.into(),
        };
        let error = Error::new(self.kind, operation, subject).because(source);
        match self.retry_after {
            Some(wait) => error.after(wait),
            None => error,
        }
    }
}

/// The task exists, or one of that name ran recently: the function is or was woken for the same reason.
pub fn is_already_there(error: &Google) -> bool {
    code(error) == Some(Code::AlreadyExists)
}

pub fn is_not_there(error: &Google) -> bool {
    code(error) == Some(Code::NotFound)
}

/// Whether the credentials are to blame, so that others may do better.
pub fn is_about_credentials(error: &Google) -> bool {
    let is_refused = code(error) == Some(Code::Unauthenticated) || error.http_status_code() == Some(401);
    is_refused || error.is_authentication() && kind(error) == Kind::Misconfigured
}

fn code(error: &Google) -> Option<Code> {
    error.status().map(|status| status.code)
}

fn kind(error: &Google) -> Kind {
    if let Some(code) = code(error).filter(|code| *code != Code::Unknown) {
        return by_code(code);
    }
    if let Some(status) = error.http_status_code() {
        return by_status(status);
    }
    if error.is_authentication() {
        let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<CredentialsError>());
        let passes = cause.is_some_and(CredentialsError::is_transient);
        return if passes { Kind::Unavailable } else { Kind::Misconfigured };
    }
    if error.is_connect() {
        return Kind::Unavailable;
    }
    if error.is_binding() || error.is_serialization() {
        return Kind::Invalid;
    }
    // There was no answer in time, or it broke off, or it cannot be parsed: the request may have taken
    // effect.
    Kind::Unknown
}

fn by_code(code: Code) -> Kind {
    match code {
        Code::Unavailable | Code::Aborted => Kind::Unavailable,
        Code::ResourceExhausted => Kind::Throttled,
        // Every request names the queue and the project: one of them does not exist, or we have no access to
        // it.
        Code::PermissionDenied | Code::Unauthenticated | Code::NotFound | Code::FailedPrecondition => {
            Kind::Misconfigured
        }
        Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => Kind::Invalid,
        Code::AlreadyExists => Kind::Conflict,
        // Deadline exceeded, internal error, cancelled, data loss: the request may have taken effect.
        _ => Kind::Unknown,
    }
}

/// For answers that no Google service wrote, such as an error page of a proxy.
fn by_status(status: u16) -> Kind {
    match status {
        429 => Kind::Throttled,
        502 | 503 => Kind::Unavailable,
        401 | 403 | 404 => Kind::Misconfigured,
        408 | 500.. => Kind::Unknown,
        _ => Kind::Invalid,
    }
}

/// What a person can do about it, if that is more than waiting.
fn diagnosis(error: &Google, message: &str) -> Option<Cause> {
    if error.is_authentication() {
        return Some(Cause::Credentials);
    }
    if error.is_connect() {
        return Some(Cause::Unreachable);
    }
    match (code(error), error.http_status_code()) {
        (Some(Code::Unauthenticated), _) | (_, Some(401)) => Some(Cause::Credentials),
        (Some(Code::PermissionDenied), _) | (_, Some(403)) => Some(Cause::of_refusal(message)),
        (Some(Code::NotFound | Code::FailedPrecondition), _) | (_, Some(404)) => Some(Cause::Missing),
        _ => None,
    }
}

fn retry_after(error: &Google) -> Option<Duration> {
    let value = error.http_headers()?.get(http::header::RETRY_AFTER)?;
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::tasks::CloudTasksSettings;

    fn settings() -> CloudTasksSettings {
        CloudTasksSettings::new("projects/p/locations/l/queues/q", "https://process.test", SecretString::from("x"))
    }

    #[test]
    fn transient_and_permanent_credential_errors_have_different_kinds() {
        for (passes, kind) in [(true, Kind::Unavailable), (false, Kind::Misconfigured)] {
            let error = Google::authentication(CredentialsError::from_msg(passes, "the token has expired"));
            let failure = Failure::of(&error);
            assert_eq!(failure.kind, kind);
            let text = failure.at("queue.enqueue", "x", &crate::tasks::service(&settings())).to_string();
            assert!(text.contains("the token has expired"), "{text}");
        }
    }

    #[test]
    fn unsent_request_is_invalid_and_unparsable_answer_is_unknown() {
        assert_eq!(Failure::of(&Google::binding("x")).kind, Kind::Invalid);
        assert_eq!(Failure::of(&Google::ser("x")).kind, Kind::Invalid);
        assert_eq!(Failure::of(&Google::deser("x")).kind, Kind::Unknown);
        assert_eq!(Failure::of(&Google::timeout("x")).kind, Kind::Unknown);
    }
}
