//! Measures how loud a channel is in each tenth of a second, which is all that its gain is computed from.

use std::f32::consts::TAU;

use crate::resample::RATE;

/// Quieter sounds hold nothing that an engine could understand: -60 dB.
pub(crate) const AUDIBLE: f32 = 0.001;
/// The level from which a window counts as roar: what bytes of another kind sound like when they are read as samples.
/// Compressed audio read as PCM has 0.58, read as µ-law 0.31.
pub(crate) const ROAR: f32 = 0.25;

/// Samples in a window: 20 ms.
const WINDOW: usize = RATE as usize / 50;
const WINDOWS: usize = 5;
/// Samples in a block.
pub(crate) const BLOCK: usize = WINDOW * WINDOWS;
pub(crate) const BLOCK_MS: u32 = (BLOCK / (RATE as usize / 1000)) as u32;
/// The last window of a recording may be shorter, but has at least this many samples, unless it is the only one.
const SHORTEST: usize = WINDOW / 2;

/// Hum, rumble and wind lie below this frequency. They vary more than voices do, and would hide that noise is steady.
const VOICE_HERTZ: f32 = 150.0;
/// A value far below the lowest level.
const FADED: f32 = 1e-9;

/// The levels of a tenth of a second: the RMS of windows of 20 ms, without the loudest one, which may be a click.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Block {
    pub loud: f32,
    /// The same without the frequencies below voices.
    pub voice: f32,
    /// The quietest window, also without the frequencies below voices.
    pub low: f32,
    /// Most of the block is as loud as [`ROAR`].
    pub roars: bool,
}

/// Turns samples into blocks.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    above: [Above; 2],
    power: f32,
    voice: f32,
    in_window: usize,
    windows: Vec<(f32, f32)>,
}

/// A high-pass filter at [`VOICE_HERTZ`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Above {
    before: f32,
    passed: f32,
}

impl Above {
    pub fn pass(&mut self, sample: f32, rate: u32) -> f32 {
        let keep = 1.0 - TAU * VOICE_HERTZ / rate as f32;
        let passed = sample - self.before + keep * self.passed;
        // A value that fades in a filter never reaches zero, and arithmetic with such small numbers takes a hundred
        // times as long.
        self.passed = if passed.abs() < FADED { 0.0 } else { passed };
        self.before = sample;
        self.passed
    }
}

impl Meter {
    /// Appends every block that is complete.
    pub fn push(&mut self, samples: impl IntoIterator<Item = f32>, out: &mut Vec<Block>) {
        for sample in samples {
            let voice = self.above[0].pass(sample, RATE);
            let voice = self.above[1].pass(voice, RATE);
            self.power += sample * sample;
            self.voice += voice * voice;
            self.in_window += 1;
            if self.in_window == WINDOW {
                self.close_window();
                if self.windows.len() == WINDOWS {
                    out.push(self.close_block());
                }
            }
        }
    }

    /// The state this would have if it had received silence for as long.
    pub fn silent(&self) -> Self {
        Self { in_window: self.in_window, windows: vec![(0.0, 0.0); self.windows.len()], ..Self::default() }
    }

    /// Appends the last block, which may be shorter.
    pub fn finish(&mut self, out: &mut Vec<Block>) {
        let first = self.windows.is_empty() && self.in_window > 0;
        if first || self.in_window >= SHORTEST {
            self.close_window();
        }
        if !self.windows.is_empty() {
            out.push(self.close_block());
        }
        *self = Self::default();
    }

    fn close_window(&mut self) {
        let rms = |power: f32| (power / self.in_window as f32).sqrt();
        self.windows.push((rms(self.power), rms(self.voice)));
        (self.power, self.voice, self.in_window) = (0.0, 0.0, 0);
    }

    fn close_block(&mut self) -> Block {
        let windows = &mut self.windows;
        let roaring = windows.iter().filter(|(loud, _)| *loud >= ROAR).count();
        windows.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));
        let loud = windows.get(1).unwrap_or(&windows[0]).0;
        windows.sort_unstable_by(|one, other| other.1.total_cmp(&one.1));
        let voice = windows.get(1).unwrap_or(&windows[0]).1;
        let low = windows[windows.len() - 1].1;
        let roars = roaring * 2 > windows.len();
        windows.clear();
        Block { loud, voice, low, roars }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    fn blocks(samples: &[f32], piece: usize) -> Vec<Block> {
        let (mut meter, mut out) = (Meter::default(), Vec::new());
        samples.chunks(piece).for_each(|piece| meter.push(piece.iter().copied(), &mut out));
        meter.finish(&mut out);
        out
    }

    #[test]
    fn every_tenth_of_a_second_is_a_block_and_piece_size_makes_no_difference() {
        for (samples, count) in [(0, 0), (1, 1), (1_600, 1), (1_759, 2), (3_200, 2), (16_000, 10), (16_001, 11)] {
            let samples = noise(samples, 0.3);
            assert_eq!(blocks(&samples, 333).len(), count, "{}", samples.len());
            assert_eq!(blocks(&samples, 333), blocks(&samples, 16_001));
        }
    }

    #[test]
    fn block_is_as_loud_as_its_windows_without_the_loudest() {
        let mut samples = vec![0.01; BLOCK];
        samples[400..500].fill(0.9);
        assert!((blocks(&samples, BLOCK)[0].loud - 0.01).abs() < 1e-5);
        samples[700..800].fill(0.9);
        assert!(blocks(&samples, BLOCK)[0].loud > 0.4);
        assert!((blocks(&[0.0015; 100], 100)[0].loud - 0.0015).abs() < 1e-5, "a short one is what there is");
    }

    #[test]
    fn hum_is_loud_but_not_a_voice() {
        let tone = |hertz: f32| (0..16_000).map(|at| 0.3 * (TAU * hertz * at as f32 / RATE as f32).sin()).collect();
        let (hum, voice): (Vec<f32>, Vec<f32>) = (tone(50.0), tone(1_000.0));
        let (hum, voice) = (blocks(&hum, 160)[5], blocks(&voice, 160)[5]);
        assert!(hum.loud > 0.2 && hum.voice < 0.03, "{hum:?}");
        assert!(voice.loud > 0.2 && voice.voice > 0.2, "{voice:?}");
    }

    #[test]
    fn block_roars_if_most_of_it_is_loud() {
        let (loud, quiet) = (noise(BLOCK, 0.5), vec![0.0; BLOCK]);
        assert!(blocks(&loud, 160)[0].roars && !blocks(&quiet, 160)[0].roars);
        assert!(!blocks(&[&loud[..2 * WINDOW], &quiet[..3 * WINDOW]].concat(), 160)[0].roars);
    }
}
