//! What every listener hears: samples without the offset of cheap converters, in 16 bits.
//!
//! 16 bits, whatever the codec: a recording sounds the same, to the last bit, whether it was kept or is decoded again.

use std::f32::consts::TAU;

use crate::resample::RATE;

/// Below this frequency there is offset, not sound: an octave below the lowest voice is left untouched.
const LOW_CUT_HERTZ: f32 = 20.0;
/// Of a 16-bit sample.
pub(crate) const FULL_SCALE: f32 = 32_768.0;
/// Far below the lowest level.
const FADED: f32 = 1e-9;

#[derive(Clone, Default)]
pub(crate) struct Condition {
    /// The first sample is no jump from zero, or every offset would begin with a click.
    before: Option<f32>,
    passed: f32,
}

impl Condition {
    pub fn apply(&mut self, samples: &mut [f32]) {
        self.cut_low(samples);
        for sample in samples {
            // Of the two zeros always the same: what is kept knows but one.
            let step = (*sample * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE - 1.0) + 0.0;
            *sample = step / FULL_SCALE;
        }
    }

    fn cut_low(&mut self, samples: &mut [f32]) {
        let keep = 1.0 - TAU * LOW_CUT_HERTZ / RATE as f32;
        let mut before = self.before.or(samples.first().copied()).unwrap_or(0.0);
        for sample in samples.iter_mut() {
            let passed = *sample - before + keep * self.passed;
            // What fades away in a filter fades for ever, and numbers that small take a hundred times as long.
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
    fn an_offset_is_not_heard_and_changes_nothing_that_is() {
        assert!(heard(&[0.3; 16_000], 60.0, 160).iter().all(|sample| *sample == 0.0));
        let (plain, offset) = (tone(300.0), tone(300.0).iter().map(|sample| sample + 0.5).collect::<Vec<_>>());
        let (plain, offset) = (heard(&plain, 1.0, 160), heard(&offset, 1.0, 160));
        assert!(plain.iter().zip(offset).all(|(plain, offset)| (plain - offset).abs() < 1e-3));
    }

    #[test]
    fn voices_pass_and_pieces_make_no_difference() {
        for hertz in [85.0, 300.0, 4_000.0] {
            let (before, after) = (tone(hertz), heard(&tone(hertz), 1.0, 160));
            assert!((rms(&after[8_000..]) / rms(&before[8_000..]) - 1.0).abs() < 0.03, "{hertz} Hz");
        }
        assert_eq!(heard(&noise(5_000, 0.5), 2.0, 1), heard(&noise(5_000, 0.5), 2.0, 5_000));
    }

    #[test]
    fn what_was_kept_sounds_the_same_to_the_last_bit() {
        let once = heard(&noise(5_000, 1e-4), 1.0, 160);
        let kept = once.iter().map(|sample| f32::from((sample * FULL_SCALE) as i16) / FULL_SCALE);
        assert!(once.iter().zip(kept).all(|(one, other)| one.to_bits() == other.to_bits()));
    }

    #[test]
    fn what_would_be_too_loud_is_cut_off_at_full_scale() {
        let loud = heard(&noise(5_000, 0.5), 60.0, 5_000);
        assert!(loud.contains(&1.0) && loud.iter().all(|sample| sample.abs() <= 1.0));
    }
}
