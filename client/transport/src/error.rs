//! What an error of reqwest means for the engine. Its text may contain the address, which may be a credential: it is left out.

use std::error::Error;

use engine::ports::HttpError;
use tokio_rustls::rustls;

pub fn classify(error: &reqwest::Error) -> HttpError {
    let causes = causes(error);
    let why = causes.last().map_or_else(|| "no reason is known".to_owned(), |cause| cause.to_string());
    if causes.iter().any(|cause| is_certificate(*cause)) {
        return HttpError::Certificate(why);
    }
    match () {
        () if error.is_timeout() => HttpError::Timeout,
        () if error.is_connect() || error.is_builder() => HttpError::Connect(why),
        () => HttpError::Broken(why),
    }
}

/// The causes of an error, the nearest first. The error itself is not among them: it names the address.
fn causes(error: &reqwest::Error) -> Vec<&(dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        next = cause.source();
    }
    causes
}

/// Whether this is a certificate that rustls refused. Errors of input and output hide what they are made of from `source`.
fn is_certificate(cause: &(dyn Error + 'static)) -> bool {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_));
    }
    let within = cause.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
    within.is_some_and(|within| is_certificate(within))
}
