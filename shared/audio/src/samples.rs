//! A recording as mono samples at 16 kHz, a piece at a time, in buffers that are used again.

use std::io::Read;
use std::time::Duration;

use domain::{Format, Gain};

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
    /// Samples among those that were appended that stand in for something, or are doubted.
    pub concealed: u64,
}

/// Where samples come from: a file of frames, or a sound file.
pub(crate) trait Steps {
    /// Samples a second of the samples that the last step gave, and before the first step of those that it will give.
    fn rate(&self) -> u32;

    /// Appends the next mono samples, possibly none; `None` at the end of what can be used.
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
        Decoded::Doubted => Step { frames: own(out), concealed: out.len() as u64, ..Step::default() },
        Decoded::Refused => {
            // A decoder that failed half way left nothing that counts.
            out.clear();
            decoder.conceal(frame, out);
            Step { refused: 1, concealed: out.len() as u64, ..Step::default() }
        }
    }
}

pub(crate) struct Samples<'r> {
    steps: Box<dyn Steps + 'r>,
    /// What is given was decoded and conditioned before.
    replayed: bool,
    condition: Option<Condition>,
    rate: u32,
    resampler: Resampler,
    decoded: Vec<f32>,
    out: Vec<f32>,
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
            condition: None,
            rate,
            resampler: Resampler::new(rate),
            decoded: Vec::new(),
            out: Vec::new(),
            over: false,
            met: Met::default(),
            most: MAX_SAMPLES,
        }
    }

    /// As listeners hear it: without offset, at this gain. What was kept had its offset taken away before.
    pub fn at(mut self, gain: Gain) -> Self {
        self.condition = Some(if self.replayed { Condition::again(gain) } else { Condition::new(gain) });
        self
    }

    /// Ends with an error after this, or after [`MAX_DURATION`].
    pub fn within(mut self, most: Duration) -> Self {
        let samples = most.as_millis().saturating_mul(u128::from(RATE / 1000));
        self.most = u64::try_from(samples).unwrap_or(u64::MAX).min(self.most);
        self
    }

    /// The next samples, possibly none; `None` at the end.
    pub fn next_piece(&mut self) -> Result<Option<&[f32]>, AudioError> {
        if self.over {
            return Ok(None);
        }
        self.decoded.clear();
        self.out.clear();
        match self.steps.step(&mut self.decoded)? {
            Some(step) => self.take(step),
            None => {
                self.over = true;
                self.resampler.finish(&mut self.out);
            }
        }
        if let Some(condition) = &mut self.condition {
            condition.apply(&mut self.out);
        }
        self.met.samples += self.out.len() as u64;
        if self.met.samples > self.most { Err(AudioError::TooLong) } else { Ok(Some(&self.out)) }
    }

    fn take(&mut self, step: Step) {
        if self.steps.rate() != self.rate {
            self.rate = self.steps.rate();
            self.resampler.finish(&mut self.out);
            self.resampler = Resampler::new(self.rate);
        }
        self.met.frames += step.frames;
        self.met.refused += step.refused;
        self.met.leftover_bytes += step.leftover_bytes;
        self.met.concealed_ns += step.concealed * NANOS / u64::from(self.rate.max(1));
        for sample in &mut self.decoded {
            // A file of floats may hold anything.
            *sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
        }
        self.resampler.push(&self.decoded, &mut self.out);
    }

    pub fn damage(&self) -> Damage {
        self.steps.damage()
    }

    pub fn met(&self) -> Met {
        self.met
    }
}
