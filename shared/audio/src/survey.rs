//! The first pass over a recording: finds how long, how complete and how loud it is, and draws its waveform. A
//! recording with one channel is listened to in the same pass; with several channels it must be known first which of
//! them hold sound.

use std::time::Duration;

use domain::Format;
use domain::levels::Mix;

use crate::analyse::Analysis;
use crate::detect::{Detector, samples_to_ms};
use crate::error::AudioError;
use crate::input::Input;
use crate::kept_samples::{Keeping, KeptSamples};
use crate::listening::Listening;
use crate::mix_choice::MixChooser;
use crate::packed::{Packer, Unpacker};
use crate::progress::{Progress, Resume, Surveying, place_surveying};
use crate::restart_points::RestartPoints;
use crate::samples::{Next, ReachedPoint, Samples};
use crate::segment::SegmentRules;
use crate::surveyed::Survey;
use crate::waveform::Outline;

/// The most dropped bytes that are reported. A wrong header can promise any number of bytes, and JSON readers cannot
/// tell larger numbers apart.
const MOST_DROPPED: u64 = 1 << 53;

/// The result of the first pass.
#[derive(Debug)]
pub struct Surveyed {
    pub survey: Survey,
    /// The samples of a short recording, for later passes.
    pub kept: Option<KeptSamples>,
    /// Where decoding of a long recording can restart.
    pub points: RestartPoints,
    /// The analysis, if the recording has one channel and was listened to. Then there is nothing left for a second
    /// pass.
    pub analysis: Option<Analysis>,
}

/// The detector that listens in the first pass, and the rules for its segments.
pub struct FirstPassListener<'d> {
    pub rules: SegmentRules,
    pub detector: &'d mut dyn Detector,
}

/// Reads a recording once, in bounded memory. The samples of a short one are kept for later passes. A frame with bytes
/// that do not make a whole sample counts as damage beyond a packet, because a wrong codec in the name looks like that.
pub fn survey<'r>(format: &Format, input: impl Into<Input<'r>>) -> Result<(Survey, Option<KeptSamples>), AudioError> {
    survey_samples(Samples::new(format, input)?)
}

/// Like [`survey`], but ends with [`AudioError::TooLong`] as soon as the recording turns out to be longer than `most`,
/// so that a caller with little time learns it early.
pub fn survey_within<'r>(
    format: &Format,
    input: impl Into<Input<'r>>,
    most: Duration,
) -> Result<(Survey, Option<KeptSamples>), AudioError> {
    survey_samples(Samples::new(format, input)?.within(most))
}

/// Like [`survey_within`], but also listens to a recording with one channel. It continues where an earlier delivery
/// stopped and reports its progress. The input begins at the byte that [`Progress::byte`](crate::Progress::byte)
/// returns.
pub fn survey_and_analyse<'r>(
    format: &Format,
    input: impl Into<Input<'r>>,
    most: Duration,
    listener: FirstPassListener<'_>,
    on: Resume<'_>,
) -> Result<Surveyed, AudioError> {
    let from = on.from.filter(|from| from.surveying().is_some()).and_then(Progress::restart_point);
    survey_samples_onward(Samples::opened_at(from, format, input)?.within(most), Some(listener), on)
}

pub(crate) fn survey_samples(samples: Samples) -> Result<(Survey, Option<KeptSamples>), AudioError> {
    let nobody = Resume { from: None, tell: &mut |_, _| {} };
    let Surveyed { survey, kept, .. } = survey_samples_onward(samples, None, nobody)?;
    Ok((survey, kept))
}

pub(crate) fn survey_samples_onward(
    samples: Samples,
    listener: Option<FirstPassListener<'_>>,
    on: Resume<'_>,
) -> Result<Surveyed, AudioError> {
    let mut samples = samples.conditioned();
    let mut listening = listener.map(|by| Listening::new(by.rules, Mix::Mid, by.detector));
    let (mut outline, mut chooser, mut keeping) = (Outline::default(), MixChooser::default(), Keeping::default());
    // What lies before the restart point at which this run continues has been reported already.
    let mut reported = None;
    if let Some((from, before)) = on.from.and_then(|from| Some((from, from.surveying()?))) {
        let point = from.restart_point().ok_or(AudioError::NoSuchRestartPoint)?;
        samples = samples.with_restart_points(from.restart_points().clone());
        samples.resume_at(point, before.stats)?;
        samples.unpack(&mut Unpacker::of(&before.source)).ok_or(AudioError::NoSuchRestartPoint)?;
        (outline, chooser) = (before.outline.clone(), MixChooser::with_counts(before.counts));
        (keeping, reported) = (Keeping::nothing(), from.number());
        listening = listening.zip(before.found.clone()).map(|(listening, found)| listening.resuming_from(found));
    }
    let grid = samples.grid();
    while let Some(next) = samples.next()? {
        match next {
            Next::Samples(piece) => {
                listening = listening.filter(|_| piece.right.is_none());
                if let Some(listening) = &mut listening {
                    listening.push(piece);
                }
                chooser.push(piece);
                outline.push(piece);
                keeping.push(piece);
            }
            Next::RestartPoint(ReachedPoint { number, sample, warm }) if grid.is_for_listeners(number) => {
                let is_new = reported != Some(number);
                if let Some(listening) = &mut listening {
                    if is_new {
                        listening.close_part(sample);
                    }
                    listening.begin(sample, warm);
                }
                if is_new {
                    // Levels are decided part by part, each as a recording of its own.
                    let counts = chooser.count_all();
                    chooser = MixChooser::with_counts(counts);
                    outline.shorten();
                    let mut source = Packer::default();
                    samples.pack(&mut source);
                    let found = listening.as_ref().map(|listening| listening.found().clone());
                    let so_far = Surveying { source: source.bytes, stats: samples.stats(), counts, outline, found };
                    (on.tell)(place_surveying(number), so_far.pack(Some(number), samples.restart_points()));
                    outline = so_far.outline;
                }
            }
            Next::RestartPoint(_) => {}
        }
    }
    let (stats, damage, choice) = (samples.stats(), samples.damage(), chooser.finish());
    let survey = Survey {
        duration_ms: samples_to_ms(stats.samples),
        dropped_bytes: damage.dropped_bytes.saturating_add(stats.leftover_bytes).min(MOST_DROPPED),
        dropped_beyond_packet: damage.beyond_packet || stats.leftover_bytes > 0 || stats.is_partly_unheard(),
        concealed_ms: stats.concealed_ms(),
        frames: stats.frames,
        refused: stats.refused,
        mix: choice.mix,
        audible: choice.audible,
        roar: choice.roar,
        outline,
    };
    let analysis = match listening {
        Some(_) if !survey.audible => Some(Analysis::inaudible(survey.clone())),
        Some(listening) => Some(Analysis::of(survey.clone(), listening)?),
        None => None,
    };
    Ok(Surveyed { survey, kept: keeping.finish(), points: samples.restart_points().clone(), analysis })
}
