//! Prepares the samples for all listeners: removes the offset of cheap converters and rounds to 16 bits.
//!
//! Samples are rounded to 16 bits whatever the codec, so that a recording sounds the same, to the last bit, whether its
//! samples were kept or are decoded again.

use std::f32::consts::TAU;

use crate::resample::RATE;

/// What lies below this frequency is offset, not sound. The lowest voice is an octave above and stays untouched.
const LOW_CUT_HERTZ: f32 = 20.0;
/// Full scale of a 16-bit sample.
pub(crate) const FULL_SCALE: f32 = 32_768.0;
/// A value far below the lowest level.
const FADED: f32 = 1e-9;

#[derive(Clone, Default)]
pub(crate) struct Condition {
    /// The first sample is not treated as a jump from zero, or every offset would begin with a click.
    before: Option<f32>,
    passed: f32,
}

impl Condition {
    pub fn apply(&mut self, samples: &mut [f32]) {
        self.cut_low(samples);
        for sample in samples {
            // Adding 0.0 turns negative zero into zero, because kept samples have only one zero.
            let step = (*sample * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE - 1.0) + 0.0;
            *sample = step / FULL_SCALE;
        }
    }

    fn cut_low(&mut self, samples: &mut [f32]) {
        let keep = 1.0 - TAU * LOW_CUT_HERTZ / RATE as f32;
        let mut before = self.before.or(samples.first().copied()).unwrap_or(0.0);
        for sample in samples.iter_mut() {
            let passed = *sample - before + keep * self.passed;
            // A value that fades in a filter never reaches zero, and arithmetic with such small numbers takes a hundred
            // times as long.
            self.passed = if passed.abs() < FADED { 0.0 } else { passed };
            before = *sample;
            *sample = self.passed;
        }
        self.before = (self.before.is_some() || !samples.is_empty()).then_some(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    fn heard(samples: &[f32], gain: f32, piece: usize) -> Vec<f32> {
        let mut condition = Condition::default();
        let mut all = samples.to_vec();
        all.chunks_mut(piece).for_each(|piece| condition.apply(piece));
        all.iter().map(|sample| (sample * gain).clamp(-1.0, 1.0)).collect()
    }

    fn tone(hertz: f32) -> Vec<f32> {
        (0..32_000).map(|at| 0.4 * (TAU * hertz * at as f32 / RATE as f32).sin()).collect()
    }

    fn rms(samples: &[f32]) -> f32 {
        (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).sqrt()
    }

    #[test]
    fn offset_is_removed_and_audible_sound_is_unchanged() {
        assert!(heard(&[0.3; 16_000], 60.0, 160).iter().all(|sample| *sample == 0.0));
        let (plain, offset) = (tone(300.0), tone(300.0).iter().map(|sample| sample + 0.5).collect::<Vec<_>>());
        let (plain, offset) = (heard(&plain, 1.0, 160), heard(&offset, 1.0, 160));
        assert!(plain.iter().zip(offset).all(|(plain, offset)| (plain - offset).abs() < 1e-3));
    }

    #[test]
    fn voices_pass_and_piece_size_makes_no_difference() {
        for hertz in [85.0, 300.0, 4_000.0] {
            let (before, after) = (tone(hertz), heard(&tone(hertz), 1.0, 160));
            assert!((rms(&after[8_000..]) / rms(&before[8_000..]) - 1.0).abs() < 0.03, "{hertz} Hz");
        }
        assert_eq!(heard(&noise(5_000, 0.5), 2.0, 1), heard(&noise(5_000, 0.5), 2.0, 5_000));
    }

    #[test]
    fn kept_samples_are_identical_to_the_last_bit() {
        let once = heard(&noise(5_000, 1e-4), 1.0, 160);
        let kept = once.iter().map(|sample| f32::from((sample * FULL_SCALE) as i16) / FULL_SCALE);
        assert!(once.iter().zip(kept).all(|(one, other)| one.to_bits() == other.to_bits()));
    }

    #[test]
    fn samples_beyond_full_scale_are_clipped() {
        let loud = heard(&noise(5_000, 0.5), 60.0, 5_000);
        assert!(loud.contains(&1.0) && loud.iter().all(|sample| sample.abs() <= 1.0));
    }
}
