//! The source of a recording's bytes.

use std::io::{Read, Seek};

use crate::kept_samples::KeptSamples;

/// Bytes that can be read from any position.
pub trait Ranges: Read + Seek {}

impl<R: Read + Seek> Ranges for R {}

/// Where a recording is read from. A stream is enough for everything but a sound file whose index may be at its end;
/// such a file is reported by [`AudioError::NeedsRanges`](crate::AudioError).
pub enum Input<'r> {
    Stream(&'r mut dyn Read),
    Ranges(&'r mut dyn Ranges),
    /// Samples that were decoded before; no bytes are read.
    Kept(&'r KeptSamples),
}

impl<'r, R: Read> From<&'r mut R> for Input<'r> {
    fn from(read: &'r mut R) -> Self {
        Self::Stream(read)
    }
}

impl<'r> From<&'r KeptSamples> for Input<'r> {
    fn from(kept: &'r KeptSamples) -> Self {
        Self::Kept(kept)
    }
}

impl<'r> Input<'r> {
    pub fn ranges(ranges: &'r mut impl Ranges) -> Self {
        Self::Ranges(ranges)
    }

    /// Reads from the current position to the end.
    pub(crate) fn stream(self) -> Box<dyn Read + 'r> {
        match self {
            Self::Stream(read) => Box::new(read),
            Self::Ranges(ranges) => Box::new(ranges),
            Self::Kept(_) => Box::new(std::io::empty()),
        }
    }
}
