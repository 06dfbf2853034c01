//! For recordings with more than two channels: checks whether what each channel holds is still audible in the two sums
//! that the channels are added to.
//!
//! Nobody listens to a third channel by itself. If it holds anything that is not a copy of its sum, that may be a voice
//! that the other channels cover or cancel. Such a voice was not heard and has to be reported as not decoded.

use crate::channels::Tracks;
use crate::level::Above;

/// The lowest level that counts. The noise of a 16-bit converter is below it.
const LEAST: f32 = 0.000_05;
/// A block is a tenth of a second.
const BLOCKS_A_SECOND: u32 = 10;
/// The share of a channel's signal that has to be in its sum in the same shape.
const SHARED: f32 = 0.9;
/// A channel is lost in a sum that is quieter than the channel by this factor: 12 dB.
const GONE: f32 = 0.25;
/// This many lost blocks in a row may be a word; fewer may be clicks.
const WORD: u64 = 3;

/// Follows each channel block by block, without the frequencies below voices.
#[derive(Default)]
pub(crate) struct ChannelLoss {
    channels: Vec<ChannelState>,
    sums: [Sum; 2],
    in_block: usize,
    /// How many blocks in a row have lost something.
    row: u64,
}

#[derive(Clone, Default)]
struct ChannelState {
    above: [Above; 2],
    power: f32,
    /// The product of the channel and its sum, summed over the block.
    common: f32,
}

#[derive(Default)]
struct Sum {
    above: [Above; 2],
    power: f32,
}

impl ChannelLoss {
    /// Takes interleaved samples and the sums made from them. Returns how many blocks have lost something that lasted
    /// as long as a word.
    pub fn push(&mut self, interleaved: &[f32], channels: usize, sums: &Tracks, rate: u32) -> u64 {
        let Some(right) = &sums.right else { return 0 };
        if channels <= 2 {
            return 0;
        }
        if self.channels.len() != channels {
            *self = Self { channels: vec![ChannelState::default(); channels], ..Self::default() };
        }
        let block = (rate / BLOCKS_A_SECOND).max(1) as usize;
        let mut lost = 0;
        for ((instant, left), right) in interleaved.chunks_exact(channels).zip(&sums.left).zip(right) {
            let mut both = [*left, *right];
            for (sum, sample) in self.sums.iter_mut().zip(&mut both) {
                *sample = high_pass(&mut sum.above, *sample, rate);
                sum.power += *sample * *sample;
            }
            for (at, (one, sample)) in self.channels.iter_mut().zip(instant).enumerate() {
                // NaN and infinity are counted elsewhere and must not stay in a filter.
                let sample = high_pass(&mut one.above, if sample.is_finite() { *sample } else { 0.0 }, rate);
                one.power += sample * sample;
                one.common += sample * both[at % 2];
            }
            self.in_block += 1;
            if self.in_block == block {
                self.row = if self.close() { self.row + 1 } else { 0 };
                lost += match self.row {
                    0..WORD => 0,
                    WORD => WORD,
                    _ => 1,
                };
            }
        }
        lost
    }

    /// Returns whether the block lost something of a channel.
    fn close(&mut self) -> bool {
        let samples = std::mem::take(&mut self.in_block) as f32;
        let sums = self.sums.each_mut().map(|sum| std::mem::take(&mut sum.power));
        let lost = |(at, one): (usize, &mut ChannelState)| one.close(samples, sums[at % 2]);
        self.channels.iter_mut().enumerate().map(lost).fold(false, |any, lost| any | lost)
    }
}

fn high_pass(above: &mut [Above; 2], sample: f32, rate: u32) -> f32 {
    let passed = above[0].pass(sample, rate);
    above[1].pass(passed, rate)
}

impl ChannelState {
    fn close(&mut self, samples: f32, sum: f32) -> bool {
        let (power, common) = (std::mem::take(&mut self.power), std::mem::take(&mut self.common));
        let is_shared = common * common >= SHARED * power * sum && sum >= GONE * GONE * power;
        power >= LEAST * LEAST * samples && !is_shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fixture_samples, noise, quieter};

    fn lost(channels: &[Vec<f32>]) -> u64 {
        let interleaved: Vec<f32> =
            (0..channels[0].len()).flat_map(|at| channels.iter().map(move |channel| channel[at])).collect();
        let (mut channel_loss, mut lost) = (ChannelLoss::default(), 0);
        for piece in interleaved.chunks(1_111 * channels.len()) {
            let mut sums = Tracks::default();
            sums.push(piece, channels.len());
            lost += channel_loss.push(piece, channels.len(), &sums, 16_000);
        }
        lost
    }

    fn clip() -> Vec<f32> {
        fixture_samples("ss0890_pcm16")
    }

    fn of(by: f32, and: f32) -> Vec<f32> {
        clip().iter().map(|sample| sample * by + and).collect()
    }

    fn hiss(peak: f32, seed: usize) -> Vec<f32> {
        noise(clip().len() + seed, peak)[seed..].to_vec()
    }

    #[test]
    fn voice_covered_or_cancelled_by_other_channels_is_reported() {
        let silence = || vec![0.0; clip().len()];
        let hum: Vec<f32> =
            clip().iter().enumerate().map(|(at, sample)| sample * 0.5 + 0.08 * (at as f32 * 0.0196).sin()).collect();
        for (case, channels) in [
            ("covered", vec![hiss(0.2, 1), silence(), quieter(&clip(), -20.0)]),
            ("covered, with an offset", vec![hiss(0.2, 1), silence(), of(0.5, 0.1)]),
            ("covered, with a hum", vec![hiss(0.2, 1), silence(), hum]),
            ("covered, and quiet", vec![hiss(0.002, 1), silence(), of(0.01, 0.0)]),
            ("taken away", vec![of(0.5, 0.0), silence(), of(-1.0, 0.0), silence()]),
            ("taken away, with offsets", vec![of(0.1, 0.3), silence(), of(-0.2, 0.3)]),
        ] {
            assert!(lost(&channels) > 10, "{case}: {}", lost(&channels));
        }
    }

    #[test]
    fn silent_channels_and_copies_are_not_reported() {
        let silence = || vec![0.0; clip().len()];
        assert_eq!(lost(&[clip(), clip(), clip(), clip()]), 0);
        assert_eq!(lost(&[clip(), of(0.6, 0.0), of(0.3, 0.1), of(0.2, 0.0)]), 0);
        assert_eq!(lost(&[silence(), silence(), quieter(&clip(), -30.0)]), 0);
        assert_eq!(lost(&[clip(), hiss(0.5, 3), hiss(0.000_03, 9), silence()]), 0, "the first two, and nothing else");
        assert_eq!(lost(&[clip(), of(-0.9, 0.0)]), 0, "two are each heard by themselves");
    }
}
