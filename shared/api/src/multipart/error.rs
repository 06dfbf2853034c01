//! Why a body could not be read as multipart/form-data.

/// The texts are ours alone, nothing of what was sent, and may be shown to the client.
#[derive(Debug, thiserror::Error)]
pub enum MultipartError {
    /// The request does not even claim to be multipart/form-data.
    #[error("{0}")]
    MediaType(&'static str),
    #[error("{0}")]
    Malformed(&'static str),
    /// The body could not be read on: its client is gone, or too slow for the edge. The source tells.
    #[error("reading the request body")]
    Body(#[source] axum::Error),
}

impl MultipartError {
    pub(super) const TRUNCATED: Self = Self::Malformed("the body ends before the closing boundary");
    /// Whoever sees this asked again after an error.
    pub(super) const BROKEN: Self = Self::Malformed("the body could not be read to its end");
}
