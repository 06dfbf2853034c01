//! What can go wrong when audio is read. Damage in a file is not an error: it is counted.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The bytes could not be fetched. This says nothing about the file; trying again may help.
    #[error("the audio could not be read: {0}")]
    Read(#[from] io::Error),
    #[error("the decoder for {0} could not be set up")]
    NoDecoder(&'static str),
    /// The file cannot be read; the text says why.
    #[error("{0}")]
    Unreadable(&'static str),
    /// The position that an earlier delivery saved does not exist in this file, so the recording has to be heard from
    /// its start.
    #[error("the saved position does not exist in the recording")]
    NoSuchRestartPoint,
    /// The file was given as a stream, but its index may be anywhere in it, so it needs random access.
    #[error("the file needs random access, and cannot be read as a stream")]
    NeedsRanges,
    /// The recording is longer than the maximum, or than the caller's limit. The text is for callers without a limit of
    /// their own.
    #[error("the recording is longer than {} hours", crate::MAX_DURATION.as_secs() / 3600)]
    TooLong,
}
