//! The second pass over a recording: where in it is speech, and what that makes of it.

use domain::{Format, Levels, Peaks};

use crate::detect::{Detector, Region};
use crate::ears::Ears;
use crate::error::AudioError;
use crate::input::Input;
use crate::samples::Samples;
use crate::segment::{SegmentRules, Span, segments, speech_ms_in};
use crate::stretches::{anywhere, levels, stretches};
use crate::survey::Survey;
use crate::track::Track;

/// Of a silent recording at most one part in so many may have been concealed: a wrong codec concealed into silence must
/// never read as success.
const CONCEALED_SHARE: u64 = 20;

/// What both passes found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    pub survey: Survey,
    /// Speech alone, without padding and pauses: what is billed.
    pub speech_ms: u64,
    pub segments: Vec<Span>,
    /// The bare regions that the segments were made of.
    pub speech: Vec<Region>,
    /// How it is heard, and has to be cut.
    pub levels: Levels,
    /// What it looks like, as loud as it is heard; empty if nothing can be heard.
    pub peaks: Peaks,
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
        let survey = &self.survey;
        let little_concealed = survey.concealed_ms * CONCEALED_SHARE <= survey.duration_ms;
        let whole = !survey.roar && !survey.dropped_beyond_packet && little_concealed;
        match () {
            () if survey.frames == 0 => Verdict::Invalid,
            () if !self.segments.is_empty() => Verdict::Speech,
            () if whole => Verdict::Silent,
            () => Verdict::Invalid,
        }
    }

    /// The speech of one segment: what it is billed for.
    pub fn speech_ms_in(&self, span: Span) -> u32 {
        speech_ms_in(&self.speech, span)
    }

    /// Of a recording in which nothing can be heard: it does not have to be read again.
    pub fn inaudible(survey: Survey) -> Self {
        Self { survey, levels: Levels::of([]), ..Self::default() }
    }
}

/// Reads a recording that was surveyed again, in bounded memory, and listens to each stretch of it at its own level.
pub fn analyse<'r>(
    survey: Survey,
    format: &Format,
    input: impl Into<Input<'r>>,
    rules: &SegmentRules,
    detector: &mut dyn Detector,
) -> Result<Analysis, AudioError> {
    if !survey.audible {
        return Ok(Analysis::inaudible(survey));
    }
    let mut samples = Samples::new(format, input)?.heard();
    let (mut track, mut ears) = (Track::default(), Ears::new(survey.mix, detector));
    while let Some(piece) = samples.next_piece()? {
        ears.push(piece, &mut track);
    }
    let voices = ears.finish(&mut track);
    track.finish();
    // At most 48 hours: fits.
    let end_ms = u32::try_from(survey.duration_ms).map_err(|_| AudioError::TooLong)?;
    let speech = anywhere(&voices);
    let levels = levels(stretches(survey.mix, &voices, 0));
    Ok(Analysis {
        speech_ms: speech.iter().map(|region| u64::from(region.end_ms - region.start_ms)).sum(),
        segments: segments(&speech, end_ms, rules, &track),
        speech,
        peaks: survey.outline.drawn(&levels),
        levels,
        survey,
    })
}

#[cfg(test)]
mod sounds;
#[cfg(test)]
mod tests;
