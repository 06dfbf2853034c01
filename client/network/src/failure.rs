//! Tells the reasons apart why there is no answer.

use std::error::Error;
use std::io;

use engine::ports::HttpError;
use hyper_util::client::legacy;
use tokio_rustls::rustls;
use tokio_rustls::rustls::CertificateError;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFailure {
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    NotTls(String),
    #[error("{0}")]
    Certificate(String),
}

/// Why a request got no answer.
pub fn of_request(error: &legacy::Error) -> HttpError {
    match causes(error).find_map(|cause| cause.downcast_ref::<ConnectFailure>()) {
        Some(ConnectFailure::Unreachable(why)) => HttpError::Connect(why.clone()),
        Some(ConnectFailure::NotTls(why)) => HttpError::Broken(why.clone()),
        Some(ConnectFailure::Certificate(why)) => HttpError::Certificate(why.clone()),
        None => broken(error),
    }
}

/// Why the body of an answer could not be read.
pub fn of_answer(error: &hyper::Error) -> HttpError {
    broken(error)
}

/// Why there is no TLS connection.
pub fn of_handshake(error: &io::Error) -> ConnectFailure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => ConnectFailure::Certificate(certificate(why)),
        Some(rustls::Error::InvalidMessage(_)) => {
            ConnectFailure::NotTls("it does not speak TLS; is its address http:// instead of https://?".to_owned())
        }
        Some(other) => ConnectFailure::NotTls(format!("no TLS connection: {other}")),
        None => ConnectFailure::NotTls(format!("no TLS connection: {error}")),
    }
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name than this address".to_owned()
        }
        CertificateError::UnknownIssuer => "nobody whom this computer trusts has issued it".to_owned(),
        other => other.to_string(),
    }
}

fn broken(error: &(dyn Error + 'static)) -> HttpError {
    let kinds = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    if kinds.into_iter().any(|kind| kind == io::ErrorKind::TimedOut) {
        return HttpError::Timeout;
    }
    let parsed = causes(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse);
    if parsed {
        return HttpError::Broken("what came back is not HTTP".to_owned());
    }
    HttpError::Broken(causes(error).last().map(ToString::to_string).unwrap_or_default())
}

/// The error and what caused it, the innermost cause last.
pub fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}
