//! A recording as mono samples at 16 kHz, a piece at a time, in buffers that are used again.

use std::io::Read;
use std::time::Duration;

use domain::Format;

use crate::decode::{Decoded, FrameDecoder, decoder};
use crate::error::AudioError;
use crate::frames::{Damage, Frames};
use crate::resample::{RATE, Resampler};

/// The longest recording: a day of wearing a device, and as much again for one that was never switched off. Offsets are
/// u32 milliseconds, which would last 49 days; what bounds it is the memory of the loudness track.
pub const MAX_DURATION: Duration = Duration::from_secs(48 * 3600);

const MAX_SAMPLES: u64 = MAX_DURATION.as_secs() * RATE as u64;

/// What was met on the way. Complete once the samples are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Met {
    /// Samples at 16 kHz.
    pub samples: u64,
    /// Frames that gave at least one sample of their own.
    pub frames: u64,
    /// Bytes within frames that were no whole sample.
    pub leftover_bytes: u64,
    /// Samples that stand in for refused frames, at the decoder's rate.
    concealed: u64,
    rate: u32,
}

impl Met {
    /// Rounded up: what is doubtful counts as concealed.
    pub fn concealed_ms(&self) -> u64 {
        (self.concealed * 1000).div_ceil(u64::from(self.rate.max(1)))
    }
}

pub(crate) struct Samples<'r> {
    frames: Frames<'r>,
    decoder: Box<dyn FrameDecoder>,
    resampler: Resampler,
    decoded: Vec<f32>,
    out: Vec<f32>,
    over: bool,
    met: Met,
    /// [`MAX_DURATION`]; a test does not wait for two days of audio.
    pub most: u64,
}

impl<'r> Samples<'r> {
    pub fn new(format: &Format, read: &'r mut dyn Read) -> Result<Self, AudioError> {
        Ok(Self::with(decoder(format)?, read))
    }

    pub fn with(decoder: Box<dyn FrameDecoder>, read: &'r mut dyn Read) -> Self {
        let rate = decoder.rate();
        Self {
            frames: Frames::new(read),
            decoder,
            resampler: Resampler::new(rate),
            decoded: Vec::new(),
            out: Vec::new(),
            over: false,
            met: Met { rate, ..Met::default() },
            most: MAX_SAMPLES,
        }
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
        match self.frames.next_frame()? {
            Some(frame) => {
                match self.decoder.decode(frame, &mut self.decoded) {
                    Decoded::Audio { leftover } => {
                        self.met.leftover_bytes += leftover as u64;
                        self.met.frames += u64::from(!self.decoded.is_empty());
                    }
                    Decoded::Refused => {
                        // A decoder that failed half way left nothing that counts.
                        self.decoded.clear();
                        self.decoder.conceal(frame, &mut self.decoded);
                        self.met.concealed += self.decoded.len() as u64;
                    }
                }
                self.resampler.push(&self.decoded, &mut self.out);
            }
            None => {
                self.over = true;
                self.resampler.finish(&mut self.out);
            }
        }
        self.met.samples += self.out.len() as u64;
        if self.met.samples > self.most { Err(AudioError::TooLong) } else { Ok(Some(&self.out)) }
    }

    pub fn damage(&self) -> Damage {
        self.frames.damage()
    }

    pub fn met(&self) -> Met {
        self.met
    }
}
