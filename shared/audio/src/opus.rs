//! Opus packets, one in each frame. libopus gives any packet at 16 kHz and in mono, whatever it was made from: the rate
//! and the channels in a file's name change nothing.

use domain::FrameFormat;
use opus::{Channels, Decoder};

use crate::decode::{Decoded, FrameDecoder};
use crate::error::AudioError;
use crate::resample::RATE;

/// The longest packet that Opus knows: 120 ms. One that claims more is refused by the decoder.
const MOST_SAMPLES: usize = RATE as usize / 1000 * 120;
/// What is concealed has to be a multiple of this: 2.5 ms.
const STEP: usize = RATE as usize / 400;

/// What counts is how long a packet really is, not what the name says of it: times in the recording follow from the
/// samples alone. A packet that lasts neither as long as the name says nor as long as the one before it is doubted: an
/// encoder keeps its frame size, while bytes of another codec claim a different one every time.
pub(crate) struct Opus {
    decoder: Decoder,
    named: usize,
    last: usize,
    room: Box<[f32]>,
}

impl Opus {
    pub fn new(format: &FrameFormat) -> Result<Self, AudioError> {
        // At most 1,920 and at least 8,000.
        let named = u64::from(format.frame_samples) * u64::from(RATE) / u64::from(format.rate.max(1));
        Self::lasting(usize::try_from(named).unwrap_or(MOST_SAMPLES))
    }

    /// `samples`: of a packet, as far as is known before the first.
    pub fn lasting(samples: usize) -> Result<Self, AudioError> {
        let decoder = Decoder::new(RATE, Channels::Mono).map_err(|_| AudioError::NoDecoder("opus"))?;
        let named = samples.next_multiple_of(STEP).clamp(STEP, MOST_SAMPLES);
        Ok(Self { decoder, named, last: named, room: vec![0.0; MOST_SAMPLES].into_boxed_slice() })
    }

    /// Appends what stands in for this many samples that are lost.
    pub fn bridge(&mut self, mut samples: usize, out: &mut Vec<f32>) {
        while samples > 0 {
            let now = samples.next_multiple_of(STEP).min(MOST_SAMPLES);
            let given = self.decoder.decode_float(&[], &mut self.room[..now], false).unwrap_or(0).min(now);
            // Without a packet before it there is nothing to go on with.
            self.room[given..now].fill(0.0);
            let taken = now.min(samples);
            out.extend_from_slice(&self.room[..taken]);
            samples -= taken;
        }
    }
}

impl FrameDecoder for Opus {
    fn rate(&self) -> u32 {
        RATE
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        match self.decoder.decode_float(frame, &mut self.room, false) {
            Ok(samples) if samples > 0 && !frame.is_empty() => {
                out.extend_from_slice(&self.room[..samples]);
                let expected = samples == self.named || samples == self.last;
                self.last = samples;
                if expected { Decoded::Audio { leftover: 0 } } else { Decoded::Doubted }
            }
            _ => Decoded::Refused,
        }
    }

    fn conceal(&mut self, _: &[u8], out: &mut Vec<f32>) {
        self.bridge(self.last, out);
    }
}

#[cfg(test)]
mod tests;
