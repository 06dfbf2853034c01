//! The result type of the first pass.

use domain::levels::Mix;

use crate::waveform::Outline;

/// What the first pass found out about a recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// Rounded up to a whole millisecond, so that no sample is left out.
    pub duration_ms: u64,
    pub dropped_bytes: u64,
    /// More is missing than one unfinished packet, or samples were decoded that no listener could be given.
    pub dropped_beyond_packet: bool,
    pub concealed_ms: u64,
    /// Frames that were decoded to at least one sample.
    pub frames: u64,
    /// Packets that the decoder refused and that were concealed.
    pub refused: u64,
    /// The mix of channels by which it is heard.
    pub mix: Mix,
    /// Some of it is audible at its levels; otherwise no detector has to listen.
    pub audible: bool,
    /// Most of it is as loud as a recording with a wrong codec in its name.
    pub roar: bool,
    /// The waveform, as loud as it was recorded.
    pub(crate) outline: Outline,
}

impl Survey {
    /// More than one packet that the file holds or promises was not decoded, so not all of the recording was heard.
    pub fn is_damaged(&self) -> bool {
        self.dropped_beyond_packet || self.refused + u64::from(self.dropped_bytes > 0) > 1
    }
}
