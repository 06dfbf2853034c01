//! The first pass over a recording: how long it is, how whole it is, and where in it is speech.

use std::time::Duration;

use domain::Format;

use crate::detect::{Detector, Region, samples_to_ms};
use crate::error::AudioError;
use crate::input::Input;
use crate::samples::Samples;
use crate::segment::{SegmentRules, Span, segments, speech_ms_in};
use crate::track::Track;

/// Of a silent recording at most one part in so many may have been concealed: a wrong codec concealed into silence must
/// never read as success.
const CONCEALED_SHARE: u64 = 20;

/// What the first pass found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Analysis {
    /// Rounded up to a whole millisecond, so that no sample is left out.
    pub duration_ms: u64,
    /// Speech alone, without padding and pauses: what is billed.
    pub speech_ms: u64,
    pub segments: Vec<Span>,
    pub dropped_bytes: u64,
    pub dropped_in_middle: bool,
    pub concealed_ms: u64,
    /// Frames that were decoded to at least one sample.
    pub frames: u64,
    /// Most of it is as loud as what a wrong codec in the name sounds like.
    pub roar: bool,
    /// The bare regions that the segments were made of.
    pub speech: Vec<Region>,
}

/// What becomes of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Speech,
    /// Proven to be without speech: nothing is sent to an engine, and clients may delete it.
    Silent,
    /// Nothing usable, or too damaged to call it silent: `invalid_audio`.
    Invalid,
}

impl Analysis {
    pub fn verdict(&self) -> Verdict {
        let whole = !self.roar && !self.dropped_in_middle && self.concealed_ms * CONCEALED_SHARE <= self.duration_ms;
        match () {
            () if self.frames == 0 => Verdict::Invalid,
            () if !self.segments.is_empty() => Verdict::Speech,
            () if whole => Verdict::Silent,
            () => Verdict::Invalid,
        }
    }

    /// The speech of one segment: what it is billed for.
    pub fn speech_ms_in(&self, span: Span) -> u32 {
        speech_ms_in(&self.speech, span)
    }
}

/// Reads a recording once, in bounded memory. A frame with bytes that are no whole sample counts as damage in the middle:
/// it is what a wrong codec in the name looks like.
pub fn analyse<'r>(
    format: &Format,
    input: impl Into<Input<'r>>,
    rules: &SegmentRules,
    detector: &mut dyn Detector,
) -> Result<Analysis, AudioError> {
    analyse_samples(Samples::new(format, input)?, rules, detector)
}

/// As [`analyse`], but a recording that is longer than `most` is given up as [`AudioError::TooLong`] when that shows:
/// whoever has little time learns it early.
pub fn analyse_within<'r>(
    format: &Format,
    input: impl Into<Input<'r>>,
    rules: &SegmentRules,
    detector: &mut dyn Detector,
    most: Duration,
) -> Result<Analysis, AudioError> {
    analyse_samples(Samples::new(format, input)?.within(most), rules, detector)
}

fn analyse_samples(
    mut samples: Samples,
    rules: &SegmentRules,
    detector: &mut dyn Detector,
) -> Result<Analysis, AudioError> {
    let mut track = Track::default();
    while let Some(piece) = samples.next_piece()? {
        track.push(piece);
        detector.push(piece);
    }
    track.finish();
    let (met, damage) = (samples.met(), samples.damage());
    let duration_ms = samples_to_ms(met.samples);
    // At most 48 hours: fits.
    let end_ms = u32::try_from(duration_ms).map_err(|_| AudioError::TooLong)?;
    let speech = detector.finish();
    Ok(Analysis {
        duration_ms,
        speech_ms: speech.iter().map(|region| u64::from(region.end_ms - region.start_ms)).sum(),
        segments: segments(&speech, end_ms, rules, &track),
        dropped_bytes: damage.dropped_bytes + met.leftover_bytes,
        dropped_in_middle: damage.in_middle || met.leftover_bytes > 0,
        concealed_ms: met.concealed_ms(),
        frames: met.frames,
        roar: track.is_roar(),
        speech,
    })
}

#[cfg(test)]
mod tests;
