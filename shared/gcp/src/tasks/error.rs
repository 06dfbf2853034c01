//! What a failed call of Google's library means for us, in one place.

use std::fmt;
use std::time::Duration;

use flow::{Error, Kind};
use google_cloud_gax::client_builder;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::error::{CredentialsError, Error as Google};

/// Of another side's words; an error page in HTML may be long.
const MAX_WORDS: usize = 300;

/// An error without the operation that it befell.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub retry_after: Option<Duration>,
    why: String,
}

impl Failure {
    pub fn new(kind: Kind, why: impl fmt::Display) -> Self {
        let why = why.to_string().chars().take(MAX_WORDS).collect();
        Self { kind, retry_after: None, why }
    }

    pub fn of(error: &Google) -> Self {
        Self { retry_after: retry_after(error), ..Self::new(kind(error), chain(error)) }
    }

    /// A client that could not be made: there are no credentials here, or they are broken.
    pub fn of_client(error: &client_builder::Error) -> Self {
        Self::new(Kind::Misconfigured, chain(error))
    }

    pub fn at(self, operation: &'static str, subject: impl fmt::Display) -> Error {
        let error = Error::new(self.kind, operation, subject).because(self.why);
        match self.retry_after {
            Some(wait) => error.after(wait),
            None => error,
        }
    }
}

/// The task exists, or one of that name ran lately: the same wake-up.
pub fn is_already_there(error: &Google) -> bool {
    code(error) == Some(Code::AlreadyExists)
}

pub fn is_not_there(error: &Google) -> bool {
    code(error) == Some(Code::NotFound)
}

/// Others may do better.
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
    // No answer in time, one that broke off, or one that cannot be read: it may have happened.
    Kind::Unknown
}

fn by_code(code: Code) -> Kind {
    match code {
        Code::Unavailable | Code::Aborted => Kind::Unavailable,
        Code::ResourceExhausted => Kind::Throttled,
        // The queue is named in every request, and so is the project: one of them is not there, or not ours.
        Code::PermissionDenied | Code::Unauthenticated | Code::NotFound | Code::FailedPrecondition => {
            Kind::Misconfigured
        }
        Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => Kind::Invalid,
        Code::AlreadyExists => Kind::Conflict,
        // Deadline, internal, cancelled, data loss: it may have happened.
        _ => Kind::Unknown,
    }
}

/// For answers that no Google service wrote: a proxy's, or an error page.
fn by_status(status: u16) -> Kind {
    match status {
        429 => Kind::Throttled,
        502 | 503 => Kind::Unavailable,
        401 | 403 | 404 => Kind::Misconfigured,
        408 | 500.. => Kind::Unknown,
        _ => Kind::Invalid,
    }
}

fn retry_after(error: &Google) -> Option<Duration> {
    let value = error.http_headers()?.get(http::header::RETRY_AFTER)?;
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// A library's error says little; what happened stands in its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_may_come_back_are_told_from_those_that_only_a_person_can_mend() {
        for (passes, kind) in [(true, Kind::Unavailable), (false, Kind::Misconfigured)] {
            let error = Google::authentication(CredentialsError::from_msg(passes, "the token has expired"));
            let failure = Failure::of(&error);
            assert_eq!(failure.kind, kind);
            let text = failure.at("queue.enqueue", "x").to_string();
            assert!(text.contains("the token has expired"), "{text}");
        }
    }

    #[test]
    fn what_was_never_sent_is_invalid_and_what_was_answered_in_another_tongue_is_unknown() {
        assert_eq!(Failure::of(&Google::binding("x")).kind, Kind::Invalid);
        assert_eq!(Failure::of(&Google::ser("x")).kind, Kind::Invalid);
        assert_eq!(Failure::of(&Google::deser("x")).kind, Kind::Unknown);
        assert_eq!(Failure::of(&Google::timeout("x")).kind, Kind::Unknown);
    }
}
