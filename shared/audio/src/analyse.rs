//! Finds where in a recording there is speech, and decides what that makes of the recording. For recordings with
//! several channels this is a second pass over the samples.

use domain::{Format, Levels, Peaks};

use crate::detect::Detector;
#[cfg(test)]
use crate::detect::Region;
use crate::engine_levels::levels;
use crate::error::AudioError;
use crate::input::Input;
use crate::listening::Listening;
use crate::progress::{Progress, Resume, pack_found, place_analysing};
use crate::restart_points::RestartPoints;
use crate::samples::{Next, ReachedPoint, Samples};
use crate::segment::{SegmentRules, Span};
use crate::stats::ReadStats;
use crate::surveyed::Survey;

/// A silent recording may have at most one part in this many concealed: a wrong codec that was concealed into silence
/// must never read as success.
const CONCEALED_SHARE: u64 = 20;

/// The result of the survey and of listening.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    pub survey: Survey,
    /// The duration of speech alone, without padding and pauses. This is what is billed.
    pub speech_ms: u64,
    pub segments: Vec<Span>,
    /// The speech in each segment.
    spoken_ms: Vec<u32>,
    /// The bare regions that the segments were made of.
    #[cfg(test)]
    pub speech: Vec<Region>,
    /// The gains with which the recording was heard, and with which it has to be cut.
    pub levels: Levels,
    /// The waveform at the loudness at which the recording is heard; empty if nothing is audible.
    pub peaks: Peaks,
}

/// The outcome for a recording.
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

    /// The speech in one segment, which is what the segment is billed for.
    pub fn speech_ms_in(&self, segment: Span) -> u32 {
        let at = self.segments.binary_search_by_key(&segment.start_ms, |segment| segment.start_ms);
        at.ok().and_then(|at| self.spoken_ms.get(at)).copied().unwrap_or(0)
    }

    /// The analysis of a recording in which nothing is audible: it does not have to be read again.
    pub fn inaudible(survey: Survey) -> Self {
        Self { survey, levels: Levels::of([]), ..Self::default() }
    }
}

/// Reads a surveyed recording again, in bounded memory, and listens to each stretch of it at that stretch's level.
pub fn analyse<'r>(
    survey: Survey,
    format: &Format,
    input: impl Into<Input<'r>>,
    rules: &SegmentRules,
    detector: &mut dyn Detector,
) -> Result<Analysis, AudioError> {
    let on = Resume { from: None, tell: &mut |_, _| {} };
    analyse_resumable((survey, &RestartPoints::default()), format, input, rules, detector, on)
}

/// Like [`analyse`], with the restart points that the survey passed. It continues where an earlier delivery stopped and
/// reports its progress. The input begins at the byte that [`Progress::byte`](crate::Progress::byte) returns.
pub fn analyse_resumable<'r>(
    (survey, points): (Survey, &RestartPoints),
    format: &Format,
    input: impl Into<Input<'r>>,
    rules: &SegmentRules,
    detector: &mut dyn Detector,
    on: Resume<'_>,
) -> Result<Analysis, AudioError> {
    if !survey.audible {
        return Ok(Analysis::inaudible(survey));
    }
    let from = on.from.filter(|from| from.found().is_some()).and_then(Progress::restart_point);
    let samples = Samples::opened_at(from, format, input)?.with_restart_points(points.clone());
    analyse_samples(survey, samples, rules, detector, on)
}

pub(crate) fn analyse_samples(
    survey: Survey,
    samples: Samples<'_>,
    rules: &SegmentRules,
    detector: &mut dyn Detector,
    on: Resume<'_>,
) -> Result<Analysis, AudioError> {
    let (mut samples, mut listening) = (samples.conditioned(), Listening::new(*rules, survey.mix, detector));
    // What lies before the restart point at which this run continues has been closed and reported already.
    let mut closed = None;
    let found = on.from.and_then(|from| Some((from.restart_point().copied()?, from.found()?)));
    if let Some((point, found)) = found {
        samples.resume_at(&point, ReadStats::default())?;
        listening = listening.resuming_from(found.clone());
        closed = Some(point.number);
    } else if !samples.restart_points().is_empty() {
        // The first pass is over; this checkpoint saves a later delivery from repeating it.
        (on.tell)(place_analysing(None), pack_found(None, samples.restart_points(), &survey, listening.found()));
    }
    let (grid, points) = (samples.grid(), samples.restart_points().clone());
    while let Some(next) = samples.next()? {
        match next {
            Next::Samples(piece) => listening.push(piece),
            Next::RestartPoint(ReachedPoint { number, sample, warm }) if grid.is_for_listeners(number) => {
                if closed != Some(number) {
                    listening.close_part(sample);
                    (on.tell)(
                        place_analysing(Some(number)),
                        pack_found(Some(number), &points, &survey, listening.found()),
                    );
                }
                listening.begin(sample, warm);
            }
            Next::RestartPoint(_) => {}
        }
    }
    Analysis::of(survey, listening)
}

impl Analysis {
    /// The analysis of a recording that was listened to up to its end.
    pub(crate) fn of(survey: Survey, listening: Listening<'_>) -> Result<Self, AudioError> {
        // At most 48 hours, so this fits.
        let end_ms = u32::try_from(survey.duration_ms).map_err(|_| AudioError::TooLong)?;
        let found = listening.finish(end_ms);
        let levels = levels(found.stretches);
        Ok(Self {
            speech_ms: found.segments.iter().map(|spoken| u64::from(spoken.speech_ms)).sum(),
            segments: found.segments.iter().map(|spoken| spoken.span).collect(),
            spoken_ms: found.segments.iter().map(|spoken| spoken.speech_ms).collect(),
            #[cfg(test)]
            speech: found.regions,
            peaks: survey.outline.drawn(&levels),
            levels,
            survey,
        })
    }
}

#[cfg(test)]
mod tests;
