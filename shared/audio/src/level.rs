//! How loud a channel is, tenth of a second for tenth of a second: all that its gain is decided by.

use std::f32::consts::TAU;

use crate::resample::RATE;

/// Quieter sounds hold nothing that an engine could understand: -60 dB.
pub(crate) const AUDIBLE: f32 = 0.001;
/// As loud as bytes that mean something else, read as samples: compressed audio taken for PCM has 0.58, for µ-law 0.31.
pub(crate) const ROAR: f32 = 0.25;

/// 20 ms.
const WINDOW: usize = RATE as usize / 50;
const WINDOWS: usize = 5;
/// Samples of a block.
pub(crate) const BLOCK: usize = WINDOW * WINDOWS;
pub(crate) const BLOCK_MS: u32 = (BLOCK / (RATE as usize / 1000)) as u32;
/// At the end of a recording a window may be shorter: this much at least, if there is another one.
const SHORTEST: usize = WINDOW / 2;

/// Below is hum, rumble and wind. They vary more than voices do, and would hide that noise is steady.
const VOICE_HERTZ: f32 = 150.0;
/// Far below the lowest level.
const FADED: f32 = 1e-9;

/// A tenth of a second: RMS of windows of 20 ms, of which the loudest is left out. It may be a click.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Block {
    pub loud: f32,
    /// The same without what is below voices.
    pub voice: f32,
    /// Its quietest window, also without that.
    pub low: f32,
    /// Most of it is as loud as a roar.
    pub roars: bool,
}

/// Makes blocks of samples.
#[derive(Clone, Default)]
pub(crate) struct Meter {
    above: [Above; 2],
    power: f32,
    voice: f32,
    in_window: usize,
    windows: Vec<(f32, f32)>,
}

/// What is above [`VOICE_HERTZ`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Above {
    before: f32,
    passed: f32,
}

impl Above {
    pub fn pass(&mut self, sample: f32, rate: u32) -> f32 {
        let keep = 1.0 - TAU * VOICE_HERTZ / rate as f32;
        let passed = sample - self.before + keep * self.passed;
        // What fades away in a filter fades for ever, and numbers that small take a hundred times as long.
        self.passed = if passed.abs() < FADED { 0.0 } else { passed };
        self.before = sample;
        self.passed
    }
}

impl Meter {
    /// Appends every block that is full.
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

    /// As it would be had there been nothing for as long.
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
    fn every_tenth_of_a_second_is_a_block_and_pieces_make_no_difference() {
        for (samples, count) in [(0, 0), (1, 1), (1_600, 1), (1_759, 2), (3_200, 2), (16_000, 10), (16_001, 11)] {
            let samples = noise(samples, 0.3);
            assert_eq!(blocks(&samples, 333).len(), count, "{}", samples.len());
            assert_eq!(blocks(&samples, 333), blocks(&samples, 16_001));
        }
    }

    #[test]
    fn a_block_is_as_loud_as_its_windows_but_for_the_loudest() {
        let mut samples = vec![0.01; BLOCK];
        samples[400..500].fill(0.9);
        assert!((blocks(&samples, BLOCK)[0].loud - 0.01).abs() < 1e-5);
        samples[700..800].fill(0.9);
        assert!(blocks(&samples, BLOCK)[0].loud > 0.4);
        assert!((blocks(&[0.0015; 100], 100)[0].loud - 0.0015).abs() < 1e-5, "a short one is what there is");
    }

    #[test]
    fn hum_is_loud_and_no_voice() {
        let tone = |hertz: f32| (0..16_000).map(|at| 0.3 * (TAU * hertz * at as f32 / RATE as f32).sin()).collect();
        let (hum, voice): (Vec<f32>, Vec<f32>) = (tone(50.0), tone(1_000.0));
        let (hum, voice) = (blocks(&hum, 160)[5], blocks(&voice, 160)[5]);
        assert!(hum.loud > 0.2 && hum.voice < 0.03, "{hum:?}");
        assert!(voice.loud > 0.2 && voice.voice > 0.2, "{voice:?}");
    }

    #[test]
    fn a_roar_is_loud_for_most_of_its_block() {
        let (loud, quiet) = (noise(BLOCK, 0.5), vec![0.0; BLOCK]);
        assert!(blocks(&loud, 160)[0].roars && !blocks(&quiet, 160)[0].roars);
        assert!(!blocks(&[&loud[..2 * WINDOW], &quiet[..3 * WINDOW]].concat(), 160)[0].roars);
    }
}
