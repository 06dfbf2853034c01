//! Statistics of reading a recording, besides its samples.

use crate::packed::{Packer, Unpacker};
use crate::sample_source::Step;

const NANOS: u64 = 1_000_000_000;
/// The longest time of unheard samples that is tolerated: a fifth of a second, which is too short for speech.
const MOST_UNHEARD_NS: u64 = NANOS / 5;
/// The length of a block of [`ChannelLoss`](crate::channel_loss::ChannelLoss).
const LOSS_BLOCK_NS: u64 = NANOS / 10;

/// The counts. They are complete once all samples were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReadStats {
    /// Samples at 16 kHz.
    pub samples: u64,
    /// Frames that gave at least one sample of their own.
    pub frames: u64,
    /// Frames that the decoder refused.
    pub refused: u64,
    /// Bytes within frames that were no whole sample.
    pub leftover_bytes: u64,
    /// The duration of samples that replace refused frames, or that are doubted.
    concealed_ns: u64,
    /// The duration of samples that no listener received as they are.
    unheard_ns: u64,
}

impl ReadStats {
    pub fn pack(&self, to: &mut Packer) {
        let Self { samples, frames, refused, leftover_bytes, concealed_ns, unheard_ns } = *self;
        [samples, frames, refused, leftover_bytes, concealed_ns, unheard_ns].iter().for_each(|number| to.put(*number));
    }

    pub fn unpack(from: &mut Unpacker) -> Option<Self> {
        Some(Self {
            samples: from.take()?,
            frames: from.take()?,
            refused: from.take()?,
            leftover_bytes: from.take()?,
            concealed_ns: from.take()?,
            unheard_ns: from.take()?,
        })
    }

    /// The concealed duration, rounded up: in doubt a millisecond counts as concealed.
    pub fn concealed_ms(&self) -> u64 {
        self.concealed_ns.div_ceil(NANOS / 1000)
    }

    /// More than a syllable was clipped, or was lost among several channels.
    pub fn is_partly_unheard(&self) -> bool {
        self.unheard_ns > MOST_UNHEARD_NS
    }

    /// Adds the counts of a step, whose samples have this rate.
    pub fn take(&mut self, step: &Step, rate: u32) {
        self.frames += step.frames;
        self.refused += step.refused;
        self.leftover_bytes += step.leftover_bytes;
        self.concealed_ns += lasts(step.concealed, rate);
    }

    /// Adds this many samples that were clipped or not numbers, and this many blocks in which a channel was lost among
    /// others.
    pub fn miss(&mut self, samples: u64, rate: u32, blocks: u64) {
        self.unheard_ns += lasts(samples, rate) + blocks * LOSS_BLOCK_NS;
    }
}

fn lasts(samples: u64, rate: u32) -> u64 {
    samples * NANOS / u64::from(rate.max(1))
}
