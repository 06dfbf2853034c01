//! A recording as samples at 16 kHz, of one channel or two, a piece at a time, in buffers that are used again.

use std::io::Read;
use std::time::Duration;

use domain::Format;

use crate::channels::{Piece, Tracks};
use crate::condition::Condition;
use crate::decode::{Decoded, FrameDecoder, decoder};
use crate::error::AudioError;
use crate::frames::{Damage, Frames};
use crate::input::Input;
use crate::kept::Replay;
use crate::resample::{RATE, Resampler};
use crate::sound;

/// The longest recording: a day of wearing a device, and as much again for one that was never switched off. Offsets are
/// u32 milliseconds, which would last 49 days; what bounds it is the memory of the loudness track.
pub const MAX_DURATION: Duration = Duration::from_secs(48 * 3600);

const MAX_SAMPLES: u64 = MAX_DURATION.as_secs() * RATE as u64;
const NANOS: u64 = 1_000_000_000;

/// What was met on the way. Complete once the samples are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Met {
    /// Samples at 16 kHz.
    pub samples: u64,
    /// Frames that gave at least one sample of their own.
    pub frames: u64,
    /// Frames that the decoder refused.
    pub refused: u64,
    /// Bytes within frames that were no whole sample.
    pub leftover_bytes: u64,
    /// How long the samples last that stand in for refused frames, or are doubted.
    concealed_ns: u64,
}

impl Met {
    /// Rounded up: what is doubtful counts as concealed.
    pub fn concealed_ms(&self) -> u64 {
        self.concealed_ns.div_ceil(NANOS / 1000)
    }
}

/// What a step through a recording gave, besides its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Frames that gave samples of their own.
    pub frames: u64,
    /// Frames that the decoder refused.
    pub refused: u64,
    pub leftover_bytes: u64,
    /// Moments among those that were appended that stand in for something, or are doubted.
    pub concealed: u64,
}

/// Where samples come from: a file of frames, or a sound file.
pub(crate) trait Steps {
    /// Samples a second of the samples that the last step gave, and before the first step of those that it will give.
    fn rate(&self) -> u32;

    /// Channels of the samples that the last step gave; it only ever becomes greater.
    fn channels(&self) -> usize;

    /// Appends the next samples, those of all channels for one moment side by side, possibly none; `None` at the end of
    /// what can be used.
    fn step(&mut self, out: &mut Vec<f32>) -> Result<Option<Step>, AudioError>;

    /// Complete once the steps are over.
    fn damage(&self) -> Damage;
}

/// A frame file: each step is a frame.
struct Framed<'r> {
    frames: Frames<'r>,
    decoder: Box<dyn FrameDecoder>,
}

impl Steps for Framed<'_> {
    fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    fn channels(&self) -> usize {
        self.decoder.channels()
    }

    fn step(&mut self, out: &mut Vec<f32>) -> Result<Option<Step>, AudioError> {
        match self.frames.next_frame()? {
            Some(frame) => Ok(Some(decode(&mut *self.decoder, frame, out))),
            None => sound::recognise(self.frames.head()).map_or(Ok(None), |kind| Err(kind.wrongly_named())),
        }
    }

    fn damage(&self) -> Damage {
        self.frames.damage()
    }
}

/// One frame, concealed when it is refused. Nothing but the frame's samples is in `out` afterwards.
pub(crate) fn decode(decoder: &mut dyn FrameDecoder, frame: &[u8], out: &mut Vec<f32>) -> Step {
    let own = |out: &Vec<f32>| u64::from(!out.is_empty());
    match decoder.decode(frame, out) {
        Decoded::Audio { leftover } => Step { frames: own(out), leftover_bytes: leftover as u64, ..Step::default() },
        Decoded::Doubted => Step { frames: own(out), concealed: moments(decoder, out), ..Step::default() },
        Decoded::Refused => {
            // A decoder that failed half way left nothing that counts.
            out.clear();
            decoder.conceal(frame, out);
            Step { refused: 1, concealed: moments(decoder, out), ..Step::default() }
        }
    }
}

fn moments(decoder: &dyn FrameDecoder, samples: &[f32]) -> u64 {
    (samples.len() / decoder.channels().max(1)) as u64
}

/// What a channel goes through.
#[derive(Clone)]
struct Way {
    resampler: Resampler,
    condition: Option<Condition>,
}

impl Way {
    fn change_rate(&mut self, rate: u32, out: &mut Vec<f32>) {
        self.resampler.finish(out);
        self.resampler = Resampler::new(rate);
    }

    fn condition(&mut self, out: &mut [f32]) {
        if let Some(condition) = &mut self.condition {
            condition.apply(out);
        }
    }
}

pub(crate) struct Samples<'r> {
    steps: Box<dyn Steps + 'r>,
    /// What is given was decoded and conditioned before.
    replayed: bool,
    rate: u32,
    stepped: Vec<f32>,
    decoded: Tracks,
    out: Tracks,
    left: Way,
    /// Of the second channel, from where there is one.
    right: Option<Way>,
    over: bool,
    met: Met,
    /// [`MAX_DURATION`]; a test does not wait for two days of audio.
    pub most: u64,
}

impl<'r> Samples<'r> {
    pub fn new(format: &Format, input: impl Into<Input<'r>>) -> Result<Self, AudioError> {
        match (format, input.into()) {
            (_, Input::Kept(kept)) => Ok(Self { replayed: true, ..Self::of(Box::new(Replay::of(kept))) }),
            (Format::Frames(frames), input) => Ok(Self::with(decoder(frames)?, input.stream())),
            (Format::Sound(_), input) => Ok(Self::of(sound::open(input)?.steps()?)),
        }
    }

    pub fn with(decoder: Box<dyn FrameDecoder>, read: impl Read + 'r) -> Self {
        Self::of(Box::new(Framed { frames: Frames::new(read), decoder }))
    }

    pub fn of(steps: Box<dyn Steps + 'r>) -> Self {
        let rate = steps.rate();
        Self {
            steps,
            replayed: false,
            rate,
            stepped: Vec::new(),
            decoded: Tracks::default(),
            out: Tracks::default(),
            left: Way { resampler: Resampler::new(rate), condition: None },
            right: None,
            over: false,
            met: Met::default(),
            most: MAX_SAMPLES,
        }
    }

    /// As listeners hear it: without offset, in 16 bits. What was kept has been through that before.
    pub fn heard(mut self) -> Self {
        self.left.condition = (!self.replayed).then(Condition::default);
        self
    }

    /// Ends with an error after this, or after [`MAX_DURATION`].
    pub fn within(mut self, most: Duration) -> Self {
        let samples = most.as_millis().saturating_mul(u128::from(RATE / 1000));
        self.most = u64::try_from(samples).unwrap_or(u64::MAX).min(self.most);
        self
    }

    /// The next samples, possibly none; `None` at the end.
    pub fn next_piece(&mut self) -> Result<Option<Piece<'_>>, AudioError> {
        if self.over {
            return Ok(None);
        }
        self.stepped.clear();
        self.decoded.clear();
        self.out.clear();
        match self.steps.step(&mut self.stepped)? {
            Some(step) => self.take(step),
            None => {
                self.over = true;
                self.each(|way, _, out| way.resampler.finish(out));
            }
        }
        self.each(|way, _, out| way.condition(out));
        self.met.samples += self.out.left.len() as u64;
        if self.met.samples > self.most { Err(AudioError::TooLong) } else { Ok(Some(self.out.piece())) }
    }

    fn take(&mut self, step: Step) {
        self.decoded.push(&self.stepped, self.steps.channels());
        if self.decoded.right.is_some() && self.right.is_none() {
            // So far the second channel was the same as the first.
            self.right = Some(self.left.clone());
            self.out.right = Some(Vec::new());
        }
        if self.steps.rate() != self.rate {
            let rate = self.steps.rate();
            self.rate = rate;
            self.each(|way, _, out| way.change_rate(rate, out));
        }
        self.met.frames += step.frames;
        self.met.refused += step.refused;
        self.met.leftover_bytes += step.leftover_bytes;
        self.met.concealed_ns += step.concealed * NANOS / u64::from(self.rate.max(1));
        self.each(|way, decoded, out| way.resampler.push(decoded, out));
    }

    /// For each channel that there is: its way, what was decoded of it, and where it goes.
    fn each(&mut self, mut work: impl FnMut(&mut Way, &[f32], &mut Vec<f32>)) {
        work(&mut self.left, &self.decoded.left, &mut self.out.left);
        if let (Some(way), Some(decoded), Some(out)) = (&mut self.right, &self.decoded.right, &mut self.out.right) {
            work(way, decoded, out);
        }
    }

    pub fn damage(&self) -> Damage {
        self.steps.damage()
    }

    pub fn met(&self) -> Met {
        self.met
    }
}
