//! The checkpoint of listening to a recording: what a later delivery needs to continue at the last restart point, in
//! few bytes.

use domain::levels::{Mix, Stretch};

use crate::listening::{Found, SpeechSegment};
use crate::mix_choice::Counts;
use crate::packed::{Packer, Unpacker};
use crate::restart_points::{RestartPoint, RestartPoints};
use crate::segment::Span;
use crate::stats::ReadStats;
use crate::surveyed::Survey;
use crate::waveform::Outline;

/// A checkpoint; see the module.
#[derive(Clone)]
pub struct Progress {
    points: RestartPoints,
    /// The restart point at which listening continues; `None` for the start of its pass.
    number: Option<u32>,
    stage: Stage,
}

#[derive(Clone)]
enum Stage {
    Surveying(Box<Surveying>),
    Analysing(Box<(Survey, Found)>),
    Listened,
}

/// The state of the first pass at a restart point.
#[derive(Clone)]
pub(crate) struct Surveying {
    /// The state of the source, as it packed itself.
    pub source: Vec<u8>,
    pub stats: ReadStats,
    pub counts: Counts,
    pub outline: Outline,
    /// What was found, if the first pass listens as well.
    pub found: Option<Found>,
}

/// Where listening continues from, and the function that receives checkpoints: a number that grows, and bytes for
/// [`Progress::unpack`].
pub struct Resume<'o> {
    pub from: Option<&'o Progress>,
    pub tell: &'o mut dyn FnMut(u32, Vec<u8>),
}

const SURVEYING: u8 = 1;
const ANALYSING: u8 = 2;
const LISTENED: u8 = 3;

impl Progress {
    /// The version of the rules by which recordings are decoded, levelled and searched. A checkpoint of another version
    /// is not used. Whoever changes what is heard, or how checkpoints are packed, has to raise it.
    pub const RULES: u32 = 2;

    /// The checkpoint behind the last pass: nothing is left to listen to, and cutting begins at these restart points.
    pub fn listened(points: RestartPoints) -> Self {
        Self { points, number: None, stage: Stage::Listened }
    }

    pub fn restart_points(&self) -> &RestartPoints {
        &self.points
    }

    /// A number that grows along the recording, over both passes.
    pub fn place(&self) -> u32 {
        match self.stage {
            Stage::Surveying(_) => place(SURVEYING, self.number),
            Stage::Analysing(_) => place(ANALYSING, self.number),
            Stage::Listened => place(LISTENED, None),
        }
    }

    /// The position in the file at which listening continues.
    pub fn byte(&self) -> u64 {
        match self.stage {
            Stage::Listened => 0,
            _ => self.restart_point().map_or(0, |point| point.source.byte),
        }
    }

    /// The result of the first pass and the restart points that it passed, if the first pass has ended.
    pub fn survey(&self) -> Option<(Survey, RestartPoints)> {
        match &self.stage {
            Stage::Analysing(found) => Some((found.0.clone(), self.points.clone())),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<u32> {
        self.number
    }

    /// The restart point at which listening continues, unless that is the start of its pass.
    pub(crate) fn restart_point(&self) -> Option<&RestartPoint> {
        self.points.find(self.number?)
    }

    pub(crate) fn surveying(&self) -> Option<&Surveying> {
        if let Stage::Surveying(surveying) = &self.stage { Some(surveying) } else { None }
    }

    pub(crate) fn found(&self) -> Option<&Found> {
        if let Stage::Analysing(found) = &self.stage { Some(&found.1) } else { None }
    }

    pub fn pack(&self) -> Vec<u8> {
        match &self.stage {
            Stage::Surveying(surveying) => surveying.pack(self.number, &self.points),
            Stage::Analysing(found) => pack_found(self.number, &self.points, &found.0, &found.1),
            Stage::Listened => start_packing(LISTENED, None, &self.points).bytes,
        }
    }

    /// Reads a checkpoint. `None` means that it has another version or is damaged; then listening starts from the
    /// beginning.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut from = Unpacker::of(bytes);
        if from.take_as::<u32>()? != Self::RULES {
            return None;
        }
        let (stage, number) = (from.take_as::<u8>()?, from.take_as::<u32>()?.checked_sub(1));
        let points = RestartPoints::unpack(&mut from)?;
        let stage = match stage {
            SURVEYING => Stage::Surveying(Box::new(Surveying::unpack(&mut from)?)),
            ANALYSING => Stage::Analysing(Box::new((unpack_survey(&mut from)?, unpack_found(&mut from)?))),
            LISTENED => Stage::Listened,
            _ => return None,
        };
        let known = match number {
            Some(number) => points.find(number).is_some(),
            None => !matches!(stage, Stage::Surveying(_)),
        };
        (from.is_empty() && known).then_some(Self { points, number, stage })
    }
}

fn place(stage: u8, number: Option<u32>) -> u32 {
    u32::from(stage) << 16 | number.map_or(0, |number| number + 1).min(u32::from(u16::MAX))
}

/// The number fits into 16 bits: a recording of two days has 2,900 restart points.
pub(crate) fn place_surveying(number: u32) -> u32 {
    place(SURVEYING, Some(number))
}

pub(crate) fn place_analysing(number: Option<u32>) -> u32 {
    place(ANALYSING, number)
}

fn start_packing(stage: u8, number: Option<u32>, points: &RestartPoints) -> Packer {
    let mut packer = Packer::default();
    packer.put(Progress::RULES);
    packer.put(stage);
    packer.put(number.map_or(0, |number| number + 1));
    points.pack(&mut packer);
    packer
}

impl Surveying {
    pub fn pack(&self, number: Option<u32>, points: &RestartPoints) -> Vec<u8> {
        let mut to = start_packing(SURVEYING, number, points);
        to.put_bytes(&self.source);
        self.stats.pack(&mut to);
        self.counts.pack(&mut to);
        self.outline.pack(&mut to);
        to.put(u8::from(self.found.is_some()));
        if let Some(found) = &self.found {
            put_found(found, &mut to);
        }
        to.bytes
    }

    fn unpack(from: &mut Unpacker) -> Option<Self> {
        let source = from.take_bytes()?.to_vec();
        let (stats, counts, outline) = (ReadStats::unpack(from)?, Counts::unpack(from)?, Outline::unpack(from)?);
        let found = if from.take_flag()? { Some(unpack_found(from)?) } else { None };
        Some(Self { source, stats, counts, outline, found })
    }
}

pub(crate) fn pack_found(number: Option<u32>, points: &RestartPoints, survey: &Survey, found: &Found) -> Vec<u8> {
    let mut to = start_packing(ANALYSING, number, points);
    to.put(survey.duration_ms);
    to.put(survey.dropped_bytes);
    to.put(survey.concealed_ms);
    to.put(survey.frames);
    to.put(survey.refused);
    let flags = [survey.dropped_beyond_packet, survey.audible, survey.roar];
    flags.iter().for_each(|flag| to.put(u8::from(*flag)));
    to.put(number_of(survey.mix));
    survey.outline.pack(&mut to);
    put_found(found, &mut to);
    to.bytes
}

fn put_found(found: &Found, to: &mut Packer) {
    to.put(found.part_ends_ms);
    // `None` is 0, and any other value is one more than it is.
    to.put(found.open_ms.map_or(0, |open| u64::from(open) + 1));
    to.put(found.segments.len() as u64);
    let mut before = 0;
    for SpeechSegment { span, speech_ms } in &found.segments {
        to.put(span.start_ms - before);
        to.put(span.duration_ms());
        to.put(span.duration_ms() - speech_ms);
        before = span.end_ms;
    }
    to.put(found.stretches.len() as u64);
    let mut before = 0;
    for stretch in &found.stretches {
        to.put_signed(i64::from(stretch.start_ms() / STRETCH_MS) - i64::from(before));
        to.put_signed((STEPS_A_DECADE * stretch.factor().log10()).round() as i64);
        to.put(number_of(stretch.mix));
        before = stretch.start_ms() / STRETCH_MS;
    }
}

/// Stretches begin at whole tenths of a second, and their factors are steps of half a decibel.
const STRETCH_MS: u32 = 100;
const STEPS_A_DECADE: f32 = 40.0;

fn number_of(mix: Mix) -> u64 {
    mix as u64
}

fn take_mix(from: &mut Unpacker) -> Option<Mix> {
    Mix::ALL.get(from.take_as::<usize>()?).copied()
}

fn unpack_survey(from: &mut Unpacker) -> Option<Survey> {
    Some(Survey {
        duration_ms: from.take()?,
        dropped_bytes: from.take()?,
        concealed_ms: from.take()?,
        frames: from.take()?,
        refused: from.take()?,
        dropped_beyond_packet: from.take_flag()?,
        audible: from.take_flag()?,
        roar: from.take_flag()?,
        mix: take_mix(from)?,
        outline: Outline::unpack(from)?,
    })
}

fn unpack_found(from: &mut Unpacker) -> Option<Found> {
    let part_ends_ms = from.take_as()?;
    let open_ms = from.take()?.checked_sub(1).map(u32::try_from).transpose().ok()?;
    let (mut segments, mut before) = (Vec::new(), 0_u32);
    for _ in 0..from.take_count()? {
        let start_ms = before.checked_add(from.take_as()?)?;
        let end_ms = start_ms.checked_add(from.take_as()?)?;
        let speech_ms = (end_ms - start_ms).checked_sub(from.take_as()?)?;
        segments.push(SpeechSegment { span: Span { start_ms, end_ms }, speech_ms });
        before = end_ms;
    }
    let (mut stretches, mut before) = (Vec::new(), 0_u32);
    for _ in 0..from.take_count()? {
        before = before.checked_add_signed(i32::try_from(from.take_signed()?).ok()?)?;
        let step = i8::try_from(from.take_signed()?).ok()?;
        let factor = 10f32.powf(f32::from(step) / STEPS_A_DECADE);
        stretches.push(Stretch::new(before.checked_mul(STRETCH_MS)?, factor, take_mix(from)?));
    }
    Some(Found {
        segments,
        stretches,
        part_ends_ms,
        open_ms,
        #[cfg(test)]
        regions: Vec::new(),
    })
}
