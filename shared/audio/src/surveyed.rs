//! What the first pass found out about a recording.

use domain::levels::Mix;

use crate::outline::Outline;

/// What the first pass found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// Rounded up to a whole millisecond, so that no sample is left out.
    pub duration_ms: u64,
    pub dropped_bytes: u64,
    /// More is missing than one unfinished packet, or was decoded to what nobody could be given to hear.
    pub dropped_beyond_packet: bool,
    pub concealed_ms: u64,
    /// Frames that were decoded to at least one sample.
    pub frames: u64,
    /// Packets that the decoder refused: other samples stand in for them.
    pub refused: u64,
    /// Which of its channels it is heard by.
    pub mix: Mix,
    /// At its levels some of it can be heard: else no detector has to listen.
    pub audible: bool,
    /// Most of it is as loud as what a wrong codec in the name sounds like.
    pub roar: bool,
    /// What it looks like, as loud as it was recorded.
    pub(crate) outline: Outline,
}

impl Survey {
    /// More than one packet of what the file holds or promises was not decoded: what was heard is not all of it.
    pub fn is_damaged(&self) -> bool {
        self.dropped_beyond_packet || self.refused + u64::from(self.dropped_bytes > 0) > 1
    }
}
