//! What can go wrong with audio as such. Damage in a file is no error: it is counted.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The bytes could not be fetched. This says nothing about the file; trying again may help.
    #[error("the audio could not be read: {0}")]
    Read(#[from] io::Error),
    #[error("the decoder for {0} could not be set up")]
    NoDecoder(&'static str),
    /// The file as such says what is wrong with it.
    #[error("{0}")]
    Unreadable(&'static str),
    /// What an earlier delivery found in a file does not lead to anything in this one: it is to be heard from its start.
    #[error("the recording cannot be gone on with here")]
    NoSuchMoment,
    /// The file was given as a stream, and its index may stand anywhere: it has to be read by ranges.
    #[error("the file can only be read from any place on")]
    NeedsRanges,
    /// Or longer than the caller wanted to listen: the sentence is for those who listen to the end.
    #[error("the recording is longer than {} hours", crate::MAX_DURATION.as_secs() / 3600)]
    TooLong,
}
