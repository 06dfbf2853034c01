//! Opus packets, one in each frame. libopus decodes any packet at 16 kHz, whatever it was made from, so the rate and
//! the channels in a file's name change nothing. Stereo packets are decoded as stereo: libopus would mix them to mono
//! as half the sum of both channels, in which an inverted channel cancels the other.

use domain::FrameFormat;
use opus::{Channels, Decoder, packet};

use crate::error::AudioError;
use crate::frame_decoder::{Decoded, FrameDecoder};
use crate::resample::RATE;

/// The longest packet that Opus allows: 120 ms. The decoder refuses a packet that claims more.
const MOST_SAMPLES: usize = RATE as usize / 1000 * 120;
/// The length of a concealment has to be a multiple of this: 2.5 ms.
const STEP: usize = RATE as usize / 400;
/// The channels that the decoder returns; both are the same for a mono packet.
const DECODED: usize = 2;

/// Decodes Opus. The actual length of a packet counts, not the one in the file's name: times in the recording follow
/// from the samples alone. A packet that lasts neither as long as the name says nor as long as the one before it is
/// doubted: an encoder keeps its frame size, while bytes of another codec claim a different one every time.
pub(crate) struct Opus {
    decoder: Decoder,
    named: usize,
    last: usize,
    /// One until a stereo packet arrives.
    channels: usize,
    buffer: Box<[f32]>,
}

impl Opus {
    pub fn new(format: &FrameFormat) -> Result<Self, AudioError> {
        Self::lasting(named(format))
    }

    /// `samples` is the length of a packet as far as it is known before the first one.
    pub fn lasting(samples: usize) -> Result<Self, AudioError> {
        let decoder = Decoder::new(RATE, Channels::Stereo).map_err(|_| AudioError::NoDecoder("opus"))?;
        let named = whole_steps(samples);
        let buffer = vec![0.0; MOST_SAMPLES * DECODED].into_boxed_slice();
        Ok(Self { decoder, named, last: named, channels: 1, buffer })
    }

    /// Conceals this many lost samples and appends the result.
    pub fn bridge(&mut self, mut samples: usize, out: &mut Vec<f32>) {
        while samples > 0 {
            let now = samples.next_multiple_of(STEP).min(MOST_SAMPLES);
            let buffer = &mut self.buffer[..now * DECODED];
            let given = self.decoder.decode_float(&[], buffer, false).unwrap_or(0).min(now);
            // Without an earlier packet there is nothing to continue, so the rest is silence.
            buffer[given * DECODED..].fill(0.0);
            let taken = now.min(samples);
            self.give(taken, out);
            samples -= taken;
        }
    }

    fn give(&self, samples: usize, out: &mut Vec<f32>) {
        let given = &self.buffer[..samples * DECODED];
        match self.channels {
            1 => out.extend(given.iter().step_by(DECODED)),
            _ => out.extend_from_slice(given),
        }
    }
}

impl FrameDecoder for Opus {
    fn fresh(&self) -> Option<Box<dyn FrameDecoder>> {
        Some(Box::new(Self::lasting(self.named).ok()?))
    }

    fn rate(&self) -> u32 {
        RATE
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) -> Decoded {
        match self.decoder.decode_float(frame, &mut self.buffer, false) {
            Ok(samples) if samples > 0 && !frame.is_empty() => {
                if packet::get_nb_channels(frame).is_ok_and(|channels| channels == Channels::Stereo) {
                    self.channels = DECODED;
                }
                self.give(samples, out);
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

/// Reads the lengths of packets from their bytes alone. They are the same as those from [`Opus`], without decoding.
pub(crate) struct Lengths {
    last: usize,
}

impl Lengths {
    pub fn named(format: &FrameFormat) -> Self {
        Self::of(named(format))
    }

    pub fn of(samples: usize) -> Self {
        Self { last: whole_steps(samples) }
    }

    /// The length of the last packet, in samples.
    pub fn last(&self) -> u64 {
        self.last as u64
    }

    /// Returns the packet itself, or a lost packet that lasts as long as the one before.
    pub fn decodable(&mut self, frame: &[u8]) -> Vec<u8> {
        let samples = packet::parse(frame).and_then(|_| packet::get_nb_samples(frame, RATE));
        match samples {
            Ok(samples) if (1..=MOST_SAMPLES).contains(&samples) && !frame.is_empty() => {
                self.last = samples;
                frame.to_vec()
            }
            _ => lost(self.last),
        }
    }
}

/// A packet without audio: its frames are empty, and every decoder conceals them (RFC 6716, 3.2.1).
fn lost(samples: usize) -> Vec<u8> {
    let steps = samples.div_ceil(STEP).clamp(1, MOST_SAMPLES / STEP);
    // The configurations 23, 22, 21 and 20 are wideband CELT with frames of 20, 10, 5 and 2.5 ms.
    let (config, frame) =
        [(23, 8), (22, 4), (21, 2)].into_iter().find(|(_, frame)| steps.is_multiple_of(*frame)).unwrap_or((20, 1));
    // Code 3: any number of frames, all of the same size. At most 48, so this fits.
    vec![config << 3 | 3, (steps / frame) as u8]
}

/// The frame length in the name, in samples at 16 kHz. The name allows at most 1,920 samples and at least 8,000 Hz.
fn named(format: &FrameFormat) -> usize {
    let samples = u64::from(format.frame_samples) * u64::from(RATE) / u64::from(format.rate.max(1));
    usize::try_from(samples).unwrap_or(MOST_SAMPLES)
}

fn whole_steps(samples: usize) -> usize {
    samples.next_multiple_of(STEP).clamp(STEP, MOST_SAMPLES)
}

#[cfg(test)]
mod tests;
