//! Data that is stored next to a recording and not inside it, because it is read only rarely.

use crate::levels::Levels;
use crate::peaks::Peaks;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingExtras {
    /// The waveform for drawing. `None` if it was never computed, for example for recordings planned by an older version.
    pub peaks: Option<Peaks>,
    /// The levels at which the segments of the plan are cut. `None` for recordings planned before levels existed: they
    /// are cut at the one gain of their facts.
    pub levels: Option<Levels>,
}
