//! More than two channels: whether what each of them holds can still be heard in the two that they are added to.
//!
//! Nobody listens to a third channel by itself. A voice in it that something louder covers, or that another channel takes
//! away, was not heard, and must be told as what was not decoded.

use crate::channels::Tracks;

/// Quieter sounds are the noise of microphones: speech that peaks at -48 dB has this.
const LEAST: f32 = 0.000_5;
/// What stands out less from the quietest of the last [`REMEMBERED`] blocks is steady noise: 8 dB.
const STANDS_OUT: f32 = 2.5;
const REMEMBERED: usize = 40;
/// A tenth of a second.
const BLOCKS_A_SECOND: u32 = 10;
/// Half of what a channel holds has to be in the sum that it went into, in its own shape.
const SHARED: f32 = 0.5;
/// Of a sum of several channels, one has lost its voice in this when the sum is so much quieter than itself: 12 dB.
const GONE: f32 = 0.25;

/// So many blocks in a row are a word; fewer may be noise.
const WORD: u64 = 3;

/// Follows each channel, block by block.
#[derive(Default)]
pub(crate) struct Crowd {
    channels: Vec<One>,
    /// So many blocks in a row, of which something was lost.
    row: u64,
    /// The power of both sums in this block.
    sums: [f32; 2],
    in_block: usize,
}

#[derive(Clone, Default)]
struct One {
    power: f32,
    /// What it and its sum have in common.
    common: f32,
    /// Of the last blocks.
    levels: Vec<f32>,
    next: usize,
}

impl Crowd {
    /// Takes samples of so many channels, and the sums that were made of them; says in how many blocks a word of one of
    /// them was lost.
    pub fn push(&mut self, interleaved: &[f32], channels: usize, sums: &Tracks, rate: u32) -> u64 {
        let Some(right) = &sums.right else { return 0 };
        if channels <= 2 {
            return 0;
        }
        if self.channels.len() != channels {
            *self = Self { channels: vec![One::default(); channels], ..Self::default() };
        }
        let block = (rate / BLOCKS_A_SECOND).max(1) as usize;
        let mut lost = 0;
        for ((moment, left), right) in interleaved.chunks_exact(channels).zip(&sums.left).zip(right) {
            let both = [*left, *right];
            for (at, (one, sample)) in self.channels.iter_mut().zip(moment).enumerate() {
                one.power += sample * sample;
                one.common += sample * both[at % 2];
            }
            self.sums.iter_mut().zip(both).for_each(|(power, sum)| *power += sum * sum);
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

    /// Whether something of a channel was lost in the block.
    fn close(&mut self) -> bool {
        let samples = std::mem::take(&mut self.in_block) as f32;
        let sums = std::mem::take(&mut self.sums);
        let lost = |(at, one): (usize, &mut One)| one.close(samples, sums[at % 2]);
        self.channels.iter_mut().enumerate().map(lost).fold(false, |any, lost| any | lost)
    }
}

impl One {
    fn close(&mut self, samples: f32, sum: f32) -> bool {
        let (power, common) = (std::mem::take(&mut self.power), std::mem::take(&mut self.common));
        let level = (power / samples).sqrt();
        if self.levels.len() < REMEMBERED {
            self.levels.push(level);
        } else {
            self.levels[self.next] = level;
            self.next = (self.next + 1) % REMEMBERED;
        }
        let quietest = self.levels.iter().copied().fold(f32::INFINITY, f32::min);
        let stands_out = level >= LEAST && (level >= STANDS_OUT * quietest || self.levels.len() < 2);
        let is_shared = common * common >= SHARED * power * sum && sum >= GONE * GONE * power;
        stands_out && !is_shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fixture_samples, noise, quieter};

    fn lost(channels: &[Vec<f32>]) -> u64 {
        let interleaved: Vec<f32> =
            (0..channels[0].len()).flat_map(|at| channels.iter().map(move |channel| channel[at])).collect();
        let (mut crowd, mut lost) = (Crowd::default(), 0);
        for piece in interleaved.chunks(1_111 * channels.len()) {
            let mut sums = Tracks::default();
            sums.push(piece, channels.len());
            lost += crowd.push(piece, channels.len(), &sums, 16_000);
        }
        lost
    }

    fn clip() -> Vec<f32> {
        fixture_samples("ss0890_pcm16")
    }

    fn of(by: f32) -> Vec<f32> {
        clip().iter().map(|sample| sample * by).collect()
    }

    #[test]
    fn a_voice_that_others_cover_or_take_away_is_told() {
        let length = clip().len();
        let music: Vec<f32> =
            (0..length).map(|at| 0.5 * (at as f32 * 0.17).sin() * (at as f32 * 0.0007).sin()).collect();
        let covered = [music.clone(), music.clone(), quieter(&clip(), -20.0), vec![0.0; length]];
        assert!(lost(&covered) > 10, "{}", lost(&covered));
        let taken_away = [of(0.5), vec![0.0; length], of(-1.0), vec![0.0; length]];
        assert!(lost(&taken_away) > 10, "{}", lost(&taken_away));
    }

    #[test]
    fn channels_that_are_heard_in_the_sums_are_not_told() {
        let (length, hiss) = (clip().len(), |seed: usize| noise(clip().len() + seed, 0.002)[seed..].to_vec());
        assert_eq!(lost(&[clip(), clip(), clip(), clip()]), 0);
        assert_eq!(lost(&[vec![0.0; length], vec![0.0; length], quieter(&clip(), -30.0)]), 0);
        assert_eq!(lost(&[hiss(1), hiss(20), hiss(300), hiss(4_000)]), 0);
        let near: Vec<f32> = of(0.3).iter().zip(hiss(77)).map(|(sample, hiss)| sample + hiss).collect();
        assert_eq!(lost(&[clip(), of(0.6), near, of(0.2)]), 0);
        assert_eq!(lost(&[clip(), of(-0.9)]), 0, "two are each heard by themselves");
    }
}
