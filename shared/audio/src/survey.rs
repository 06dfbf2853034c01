//! The first pass over a recording: how long it is, how whole it is, how loud it is, and what it looks like.

use std::time::Duration;

use domain::Format;
use domain::levels::Mix;

use crate::choice::Choosing;
use crate::detect::samples_to_ms;
use crate::error::AudioError;
use crate::input::Input;
use crate::kept::{Keeping, Kept};
use crate::outline::Outline;
use crate::samples::Samples;

/// What the first pass found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// Rounded up to a whole millisecond, so that no sample is left out.
    pub duration_ms: u64,
    pub dropped_bytes: u64,
    /// More is missing than one unfinished packet.
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

/// Reads a recording once, in bounded memory. A short one's samples are kept, for whoever reads it again. A frame with
/// bytes that are no whole sample counts as more than a packet: it is what a wrong codec in the name looks like.
pub fn survey<'r>(format: &Format, input: impl Into<Input<'r>>) -> Result<(Survey, Option<Kept>), AudioError> {
    survey_samples(Samples::new(format, input)?)
}

/// As [`survey`], but a recording that is longer than `most` is given up as [`AudioError::TooLong`] when that shows:
/// whoever has little time learns it early.
pub fn survey_within<'r>(
    format: &Format,
    input: impl Into<Input<'r>>,
    most: Duration,
) -> Result<(Survey, Option<Kept>), AudioError> {
    survey_samples(Samples::new(format, input)?.within(most))
}

pub(crate) fn survey_samples(samples: Samples) -> Result<(Survey, Option<Kept>), AudioError> {
    let mut samples = samples.heard();
    let (mut choosing, mut outline, mut keeping) = (Choosing::default(), Outline::default(), Keeping::default());
    while let Some(piece) = samples.next_piece()? {
        choosing.push(piece);
        outline.push(piece);
        keeping.push(piece);
    }
    let (met, damage, choice) = (samples.met(), samples.damage(), choosing.finish());
    let survey = Survey {
        duration_ms: samples_to_ms(met.samples),
        dropped_bytes: damage.dropped_bytes + met.leftover_bytes,
        dropped_beyond_packet: damage.beyond_packet || met.leftover_bytes > 0,
        concealed_ms: met.concealed_ms(),
        frames: met.frames,
        refused: met.refused,
        mix: choice.mix,
        audible: choice.audible,
        roar: choice.roar,
        outline,
    };
    Ok((survey, keeping.finish()))
}
