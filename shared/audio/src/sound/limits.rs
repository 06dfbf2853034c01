//! What no sound file may exceed, and what may stand at its end.

use crate::error::AudioError;

/// Beyond these a rate is an accident: resampling would take more memory and time than any recording is worth.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

pub(super) const IMPOSSIBLE_RATE: AudioError = AudioError::Unreadable("the file claims an impossible rate");

pub(crate) const NO_AUDIO: AudioError = AudioError::Unreadable("no audio is in the file");

/// Streams that may follow one another in a container without lengths: a decoder takes a millisecond to make.
pub(super) const MOST_STREAMS: u32 = 1024;

/// Programs fill up the last block of a file.
pub(super) const MOST_FILLER: usize = 4096;

/// Whether nothing but zeros is left of a file, and few of them: this is all that is left, as far as one more byte than may
/// be.
pub(super) fn is_filler(rest: &[u8]) -> bool {
    !rest.is_empty() && rest.len() <= MOST_FILLER && rest.iter().all(|byte| *byte == 0)
}
