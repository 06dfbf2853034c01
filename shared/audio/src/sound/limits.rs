//! The limits of all sound files, and the filler at their ends.

use crate::error::AudioError;

/// The accepted sample rates. Others are accidents: resampling would take more memory and time than any recording is
/// worth.
pub(super) const RATES: std::ops::RangeInclusive<u32> = 1_000..=384_000;

pub(super) const IMPOSSIBLE_RATE: AudioError = AudioError::Unreadable("the file claims an impossible rate");

pub(crate) const NO_AUDIO: AudioError = AudioError::Unreadable("the file holds no audio");

/// The most streams that may follow one another in a container: each needs a decoder, which takes a millisecond to
/// create.
pub(super) const MOST_STREAMS: u32 = 1024;

/// The most filler at the end of a file: some programs fill up its last block.
pub(super) const MOST_FILLER: usize = 4096;

/// Whether `rest`, the rest of a file, consists of few zeros and nothing else. It has to hold the whole rest, or one
/// byte more than the filler may have.
pub(super) fn is_filler(rest: &[u8]) -> bool {
    !rest.is_empty() && rest.len() <= MOST_FILLER && rest.iter().all(|byte| *byte == 0)
}
