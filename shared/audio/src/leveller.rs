//! Applies the gains to one channel as it passes, for the detectors.

use crate::gain::{Decided, Gains};
use crate::level::{BLOCK, Block, Meter};

/// Returns samples once their gain is known, which is a third of a minute later.
#[derive(Default)]
pub(crate) struct Leveller {
    meter: Meter,
    gains: Gains,
    /// Samples that were not returned yet.
    samples: Vec<f32>,
    blocks: Vec<Block>,
    /// The next block to be returned, and those behind it that are decided.
    decided: Vec<Decided>,
    /// The factor of the block that was returned last.
    before: Option<f32>,
}

/// The output: samples at their level, the factors of their blocks, and how loud a voice in each block may have been
/// before.
#[derive(Default)]
pub(crate) struct Levelled {
    pub samples: Vec<f32>,
    pub factors: Vec<f32>,
    pub voices: Vec<f32>,
}

impl Levelled {
    pub fn clear(&mut self) {
        self.samples.clear();
        self.factors.clear();
        self.voices.clear();
    }
}

impl Leveller {
    /// Appends the samples that are decided so far.
    pub fn push(&mut self, samples: impl IntoIterator<Item = f32>, out: &mut Levelled) {
        let from = self.samples.len();
        self.samples.extend(samples);
        self.meter.push(self.samples[from..].iter().copied(), &mut self.blocks);
        for block in self.blocks.drain(..) {
            self.gains.push(block, &mut self.decided);
        }
        // The gain glides to that of the next block, so a block is ready when the next one is decided.
        let ready = self.decided.len().saturating_sub(1);
        self.give(ready, out);
    }

    /// Appends the rest and returns to the initial state.
    pub fn finish(&mut self, out: &mut Levelled) {
        self.meter.finish(&mut self.blocks);
        for block in self.blocks.drain(..) {
            self.gains.push(block, &mut self.decided);
        }
        self.gains.finish(&mut self.decided);
        self.give(self.decided.len(), out);
        // Less than half a window at the very end does not make a block.
        let last = self.before.unwrap_or(1.0);
        out.samples.extend(self.samples.drain(..).map(|sample| (sample * last).clamp(-1.0, 1.0)));
        *self = Self::default();
    }

    fn give(&mut self, blocks: usize, out: &mut Levelled) {
        let mut at = 0;
        for index in 0..blocks {
            let (levels, factor) = self.decided[index];
            let next = self.decided.get(index + 1).map_or(factor, |(_, next)| *next);
            // At the border of two blocks the gain is half way between theirs, in decibels.
            let starts = (self.before.unwrap_or(factor) * factor).sqrt();
            let ends = (factor * next).sqrt();
            let block = &self.samples[at..(at + BLOCK).min(self.samples.len())];
            let glide = |along: usize| starts + (ends - starts) * along as f32 / BLOCK as f32;
            out.samples.extend(block.iter().enumerate().map(|(i, sample)| (sample * glide(i)).clamp(-1.0, 1.0)));
            out.factors.push(factor);
            out.voices.push(levels.voice);
            at += block.len();
            self.before = Some(factor);
        }
        self.samples.drain(..at);
        self.decided.drain(..blocks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fixture_samples, noise, quieter};

    fn levelled(samples: &[f32], piece: usize) -> Levelled {
        let (mut leveller, mut out) = (Leveller::default(), Levelled::default());
        samples.chunks(piece).for_each(|piece| leveller.push(piece.iter().copied(), &mut out));
        leveller.finish(&mut out);
        out
    }

    #[test]
    fn output_has_as_many_samples_as_input_and_piece_size_makes_no_difference() {
        for length in [0, 1, 100, 1_600, 5_001, 1_000_123] {
            let samples = noise(length, 0.01);
            let whole = levelled(&samples, 1_000_123);
            assert_eq!(whole.samples.len(), length);
            let pieces = levelled(&samples, 4_321);
            assert!(whole.samples == pieces.samples && whole.factors == pieces.factors, "{length}");
        }
    }

    #[test]
    fn quiet_speech_is_raised_to_level_of_same_speech_beside_it() {
        let clip = fixture_samples("sonnet_pcm16")[..20 * 16_000].to_vec();
        let both = [clip.clone(), quieter(&clip, -30.0)].concat();
        let levelled = levelled(&both, 1_600).samples;
        let rms = |samples: &[f32]| (samples.iter().map(|s| s * s).sum::<f32>() / samples.len() as f32).sqrt();
        let ratio = rms(&levelled[clip.len() + 16_000..]) / rms(&levelled[..clip.len() - 16_000]);
        assert!((0.7..1.4).contains(&ratio), "{ratio}");
    }
}
