//! Why a body could not be read as multipart/form-data.

/// The texts contain nothing that was sent, so they may be shown to the client.
#[derive(Debug, thiserror::Error)]
pub enum MultipartError {
    /// The request does not even claim to be multipart/form-data.
    #[error("{0}")]
    MediaType(&'static str),
    #[error("{0}")]
    Malformed(&'static str),
    /// The body could not be read further: the client is gone, or stalled. The source has the reason.
    #[error("reading the request body")]
    Body(#[source] axum::Error),
}

impl MultipartError {
    pub(super) const TRUNCATED: Self = Self::Malformed("the body ends before the closing boundary");
    /// Returned to a caller that reads on after an error.
    pub(super) const BROKEN: Self = Self::Malformed("the body could not be read to its end");
}
