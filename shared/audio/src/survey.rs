//! The first pass over a recording: how long it is, how whole it is, how loud it is, and what it looks like.

use std::time::Duration;

use domain::Format;
use domain::levels::Mix;

use crate::choice::Choosing;
use crate::detect::samples_to_ms;
use crate::error::AudioError;
use crate::input::Input;
use crate::kept::{Keeping, Kept};
use crate::moments::Moments;
use crate::outline::Outline;
use crate::packed::{Packer, Unpacker};
use crate::progress::{Onward, Progress, Surveying, place_surveying};
use crate::samples::{Begun, Next, Samples};

/// A lying header can promise any number of bytes: more than this no reader of JSON tells apart.
const MOST_DROPPED: u64 = 1 << 53;

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

/// What the first pass gives.
#[derive(Debug)]
pub struct Surveyed {
    pub survey: Survey,
    /// A short one's samples, for whoever reads it again.
    pub kept: Option<Kept>,
    /// Where in a long one decoding can begin.
    pub moments: Moments,
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

/// As [`survey_within`]. It goes on where an earlier delivery stopped, and tells how far it comes: the input begins at the
/// byte that [`Progress::byte`](crate::Progress::byte) says.
pub fn survey_onward<'r>(
    format: &Format,
    input: impl Into<Input<'r>>,
    most: Duration,
    on: Onward<'_>,
) -> Result<Surveyed, AudioError> {
    let from = on.from.filter(|from| from.surveying().is_some()).and_then(Progress::moment);
    survey_samples_onward(Samples::opened_at(from, format, input)?.within(most), on)
}

pub(crate) fn survey_samples(samples: Samples) -> Result<(Survey, Option<Kept>), AudioError> {
    let Surveyed { survey, kept, .. } = survey_samples_onward(samples, Onward { from: None, tell: &mut |_, _| {} })?;
    Ok((survey, kept))
}

pub(crate) fn survey_samples_onward(samples: Samples, on: Onward<'_>) -> Result<Surveyed, AudioError> {
    let mut samples = samples.heard();
    let (mut outline, mut choosing, mut keeping) = (Outline::default(), Choosing::default(), Keeping::default());
    // What was met before the moment that it goes on at has been told.
    let mut told = None;
    if let Some((from, before)) = on.from.and_then(|from| Some((from, from.surveying()?))) {
        let moment = from.moment().ok_or(AudioError::NoSuchMoment)?;
        samples = samples.knowing(from.moments().clone());
        samples.go_on_at(moment, before.met)?;
        samples.unpack(&mut Unpacker::of(&before.source)).ok_or(AudioError::NoSuchMoment)?;
        (outline, choosing) = (before.outline.clone(), Choosing::counting_on(before.counts));
        (keeping, told) = (Keeping::nothing(), from.number());
    }
    let grid = samples.grid();
    while let Some(next) = samples.next()? {
        match next {
            Next::Samples(piece) => {
                choosing.push(piece);
                outline.push(piece);
                keeping.push(piece);
            }
            Next::Moment(Begun { number, .. }) if grid.is_for_listeners(number) && told != Some(number) => {
                // Levels are decided part by part: each as a recording of its own.
                let counts = choosing.count_all();
                choosing = Choosing::counting_on(counts);
                outline.shorten();
                let mut source = Packer::default();
                samples.pack(&mut source);
                let so_far = Surveying { source: source.bytes, met: samples.met(), counts, outline };
                (on.tell)(place_surveying(number), so_far.pack(Some(number), samples.moments()));
                outline = so_far.outline;
            }
            Next::Moment(_) => {}
        }
    }
    let (met, damage, choice) = (samples.met(), samples.damage(), choosing.finish());
    let survey = Survey {
        duration_ms: samples_to_ms(met.samples),
        dropped_bytes: damage.dropped_bytes.saturating_add(met.leftover_bytes).min(MOST_DROPPED),
        dropped_beyond_packet: damage.beyond_packet || met.leftover_bytes > 0 || met.is_partly_unheard(),
        concealed_ms: met.concealed_ms(),
        frames: met.frames,
        refused: met.refused,
        mix: choice.mix,
        audible: choice.audible,
        roar: choice.roar,
        outline,
    };
    Ok(Surveyed { survey, kept: keeping.finish(), moments: samples.moments().clone() })
}
