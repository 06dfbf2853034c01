//! Converts Firestore's answers to errors of the port. This is the only place that does so.

use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

use domain::InvalidWrite;
use firestore::gcloud_sdk::error::{Error as SdkError, ErrorKind};
use firestore::gcloud_sdk::google::rpc;
use firestore::gcloud_sdk::google_cloud_auth::errors::CredentialsError;
use firestore::gcloud_sdk::prost::Message;
use firestore::gcloud_sdk::tonic::{Code, Status};
use flow::Kind;
use flow::document::Unreadable;
use flow::error::Source;

use crate::diagnosis::{Cause, Service, causes, token_words};

/// The wait that is asked for when the service is too busy and does not say for how long.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);
/// Texts by which Firestore and its emulator report an expired transaction. Google's own libraries look
/// for these words too.
const EXPIRED: [&str; 2] = ["transaction has expired", "Transaction is invalid or closed"];
/// The longest wait that is accepted from the service; longer ones are cut.
const MAX_WAIT: Duration = Duration::from_secs(3600);
/// The longest message of the service that is passed on.
const MAX_MESSAGE: usize = 500;

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The service refused the request.
    #[error("{code:?}: {message}")]
    Refused { code: Code, message: String, retry_after: Option<Duration> },
    /// There is no complete answer: the connection broke, or the time limit was reached.
    #[error("no answer: {0}")]
    Unanswered(String),
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no token: {message}")]
    NoToken { message: String, may_pass: bool },
    #[error("{0}")]
    Unconfigured(String),
    /// The document exists, but its content cannot be what this program wrote.
    #[error("{document} is damaged: {why}")]
    Damaged { document: String, why: Source },
    /// The document was written by a later version, which may be able to read it.
    #[error("{document}: {why}")]
    Newer { document: String, why: Unreadable },
    #[error(transparent)]
    InvalidWrite(#[from] InvalidWrite),
    /// The step turned out to affect more than one document, so it is repeated in a transaction.
    #[error("the step needs a transaction")]
    NeedsTransaction,
}

pub type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub fn damaged(document: impl Display, why: impl Into<Source>) -> Self {
        Self::Damaged { document: document.to_string(), why: why.into() }
    }

    pub fn unreadable(document: impl Display, why: Unreadable) -> Self {
        match why {
            Unreadable::Damaged(why) => Self::damaged(document, why),
            why => Self::Newer { document: document.to_string(), why },
        }
    }

    /// Maps "not found" at a commit to contention: a document that had to be unchanged was deleted. If the
    /// database were missing, the read would have been refused before.
    pub fn of_commit(self) -> Self {
        match self {
            Self::Refused { code: Code::NotFound, message, retry_after } => {
                Self::Refused { code: Code::Aborted, message, retry_after }
            }
            fault => fault,
        }
    }

    /// Whether a commit with this error may have taken effect.
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Self::Unanswered(_) => true,
            Self::Refused { code, .. } => matches!(
                code,
                Code::Unavailable
                    | Code::DeadlineExceeded
                    | Code::Internal
                    | Code::Unknown
                    | Code::Cancelled
                    | Code::DataLoss
            ),
            _ => false,
        }
    }

    /// Whether the credentials are to blame, so that others may do better.
    pub fn is_about_credentials(&self) -> bool {
        matches!(
            self,
            Self::Unconfigured(_)
                | Self::NoToken { may_pass: false, .. }
                | Self::Refused { code: Code::Unauthenticated, .. }
        )
    }

    /// Whether another writer was first, so that what was read is out of date.
    pub fn is_contention(&self) -> bool {
        let Self::Refused { code, message, .. } = self else { return false };
        match code {
            Code::Aborted | Code::AlreadyExists => true,
            // The process was frozen for minutes and its transaction expired: nothing was written.
            Code::InvalidArgument => is_expired(message),
            Code::FailedPrecondition => !names_an_index(message),
            _ => false,
        }
    }

    /// Whether another try may succeed soon, if this one wrote nothing. Credentials are looked up again for
    /// it.
    pub fn may_pass(&self) -> bool {
        self.is_contention()
            || self.is_about_credentials()
            || matches!(self.kind(), Kind::Unavailable | Kind::Throttled)
    }

    pub fn kind(&self) -> Kind {
        match self {
            Self::Refused { code, message, .. } => kind_of(*code, message),
            Self::Unanswered(_)
            | Self::Unreachable(_)
            | Self::NoToken { may_pass: true, .. }
            | Self::Newer { .. }
            | Self::NeedsTransaction => Kind::Unavailable,
            Self::Unconfigured(_) | Self::NoToken { may_pass: false, .. } => Kind::Misconfigured,
            Self::Damaged { .. } => Kind::Corrupt,
            Self::InvalidWrite(why) => (*why).into(),
        }
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { code: Code::ResourceExhausted, retry_after, .. } => {
                Some(retry_after.unwrap_or(DEFAULT_WAIT))
            }
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Fault {
    /// The source for the log: the service's own words, and a remedy if waiting is not enough.
    pub fn into_source(self, service: &Service) -> Source {
        let why = match &self {
            Self::Unreachable(message) => return service.unreachable(message).into(),
            Self::NoToken { message, .. } => return service.no_token(message).into(),
            Self::Refused { code: Code::Unauthenticated, .. } => Cause::Credentials,
            Self::Refused { code: Code::PermissionDenied, message, .. } => Cause::of_refusal(message),
            Self::Refused { code: Code::NotFound, .. } => Cause::Missing,
            Self::Refused { code: Code::FailedPrecondition, message, .. } if names_an_index(message) => Cause::NoIndex,
            Self::Refused { code: Code::ResourceExhausted, .. } => Cause::Quota,
            Self::Unanswered(_) => Cause::Away,
            Self::Refused { .. } if self.kind() == Kind::Unavailable => Cause::Away,
            _ => return self.into(),
        };
        service.diagnosis(why, format!("{}: {self}", service.what)).into()
    }
}

fn kind_of(code: Code, message: &str) -> Kind {
    match code {
        Code::ResourceExhausted => Kind::Throttled,
        Code::PermissionDenied | Code::Unauthenticated | Code::Unimplemented => Kind::Misconfigured,
        // The database does not exist, or a query has no index; the message names it.
        Code::NotFound => Kind::Misconfigured,
        Code::FailedPrecondition if names_an_index(message) => Kind::Misconfigured,
        Code::InvalidArgument if is_expired(message) => Kind::Unavailable,
        Code::InvalidArgument | Code::OutOfRange => Kind::Invalid,
        _ => Kind::Unavailable,
    }
}

fn is_expired(message: &str) -> bool {
    EXPIRED.iter().any(|words| message.contains(words))
}

fn names_an_index(message: &str) -> bool {
    message.contains("index")
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        if let Some(fault) = without_credentials(&status) {
            return fault;
        }
        // The library reports broken connections with the codes of refusals, but only those have a cause.
        if let Some(why) = status.source() {
            return Self::Unanswered(causes(why).chars().take(MAX_MESSAGE).collect());
        }
        let message = status.message().chars().take(MAX_MESSAGE).collect();
        Self::Refused { code: status.code(), message, retry_after: retry_after(status.details()) }
    }
}

/// Reads `google.rpc.RetryInfo` from the details of a status.
fn retry_after(details: &[u8]) -> Option<Duration> {
    let status = rpc::Status::decode(details).ok()?;
    let info = status.details.iter().find(|any| any.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = rpc::RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay?;
    let (seconds, nanos) = (u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?);
    Some(Duration::new(seconds, nanos.min(999_999_999)).min(MAX_WAIT))
}

/// An error because there was no token: the request was never sent, so it cannot have taken effect.
fn without_credentials(status: &Status) -> Option<Fault> {
    let mut cause = status.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<CredentialsError>() {
            return Some(of_token(error.is_transient(), error));
        }
        let of_sdk = error.downcast_ref::<SdkError>().or_else(|| error.downcast_ref::<Box<SdkError>>().map(|e| &**e));
        if let Some(error) = of_sdk {
            return Some(Fault::from(error));
        }
        cause = error.source();
    }
    None
}

fn of_token(is_transient: bool, error: &(dyn Error + 'static)) -> Fault {
    Fault::NoToken { message: token_words(error), may_pass: is_transient }
}

impl From<&SdkError> for Fault {
    /// Converts an error from before the request was sent: while connecting, or while getting a token.
    fn from(error: &SdkError) -> Self {
        match error.kind() {
            ErrorKind::GrpcStatus(why) => Self::Unreachable(causes(why)),
            ErrorKind::Http(_) | ErrorKind::HttpStatus(_) => of_token(true, error),
            ErrorKind::Credentials(why) => of_token(why.is_transient(), why),
            ErrorKind::CredentialsBuild(why) => of_token(false, why),
            _ => Self::Unconfigured(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_answer_maps_to_its_kind() {
        let fault = |code, message: &str| Fault::from(Status::new(code, message));
        let missing = "The query requires an index. You can create it here: https://console";
        for (code, message, kind) in [
            (Code::Unavailable, "", Kind::Unavailable),
            (Code::DeadlineExceeded, "", Kind::Unavailable),
            (Code::Aborted, "", Kind::Unavailable),
            (Code::ResourceExhausted, "", Kind::Throttled),
            (Code::PermissionDenied, "", Kind::Misconfigured),
            (Code::Unauthenticated, "", Kind::Misconfigured),
            (Code::FailedPrecondition, missing, Kind::Misconfigured),
            (Code::NotFound, "The database (default) does not exist", Kind::Misconfigured),
            (Code::InvalidArgument, "", Kind::Invalid),
        ] {
            assert_eq!(fault(code, message).kind(), kind, "{code:?}");
        }
        assert!(fault(Code::FailedPrecondition, "the stored version does not match").is_contention());
        assert!(!fault(Code::FailedPrecondition, missing).is_contention());
        assert!(fault(Code::FailedPrecondition, missing).to_string().contains("requires an index"));
        let expired = fault(Code::InvalidArgument, "The referenced transaction has expired or is no longer valid.");
        assert!(expired.is_contention() && !expired.is_in_doubt() && expired.kind() == Kind::Unavailable);
        let too_big = fault(Code::InvalidArgument, "Transaction too big. Decrease transaction size.");
        assert!(!too_big.may_pass());
        assert!(fault(Code::Unavailable, "").is_in_doubt() && !fault(Code::ResourceExhausted, "").is_in_doubt());
    }

    #[test]
    fn missing_token_means_request_was_never_sent() {
        for (is_transient, kind) in [(true, Kind::Unavailable), (false, Kind::Misconfigured)] {
            let error = CredentialsError::from_msg(is_transient, "no token");
            let fault = Fault::from(Status::from_error(Box::new(error)));
            assert_eq!((fault.kind(), fault.is_in_doubt()), (kind, false), "{fault}");
        }
    }

    #[test]
    fn requested_wait_is_passed_on() {
        let delay = firestore::gcloud_sdk::prost_types::Duration { seconds: 7, nanos: 0 };
        let info = rpc::RetryInfo { retry_delay: Some(delay) };
        let any = firestore::gcloud_sdk::prost_types::Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".into(),
            value: info.encode_to_vec(),
        };
        let details = rpc::Status { code: 8, message: String::new(), details: vec![any] }.encode_to_vec();
        let status = Status::with_details(Code::ResourceExhausted, "", details.into());
        assert_eq!(Fault::from(status).retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(Fault::from(Status::new(Code::ResourceExhausted, "")).retry_after(), Some(DEFAULT_WAIT));
    }
}
