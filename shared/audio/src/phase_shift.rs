//! Shifts the phase of the right channel by 90 degrees, and finds in which direction of the shift both channels add up.

use std::f32::consts::PI;

use crate::level::BLOCK;

/// Samples on either side of a sample that its phase shift depends on: 4 ms.
pub(crate) const REACH: usize = 63;

/// Shifts the phase of the right channel, and delays the left one as long as that takes.
pub(crate) struct PhaseShift {
    left: Vec<f32>,
    /// Begins [`REACH`] samples before `left`.
    right: Vec<f32>,
    shifted: Vec<f32>,
    weights: [f32; REACH.div_ceil(2)],
}

impl Default for PhaseShift {
    fn default() -> Self {
        // Every other weight of the Hilbert transform is zero; a window lets them fade at the ends.
        let weight = |at: usize| {
            let place = (2 * at + 1) as f32;
            2.0 / (PI * place) * (0.54 + 0.46 * (PI * place / (REACH as f32 + 1.0)).cos())
        };
        let weights = std::array::from_fn(weight);
        Self { left: Vec::new(), right: vec![0.0; REACH], shifted: Vec::new(), weights }
    }
}

impl PhaseShift {
    pub fn push(&mut self, left: &[f32], right: &[f32]) {
        self.left.extend_from_slice(left);
        self.right.extend_from_slice(right);
    }

    pub fn finish(&mut self) {
        self.right.resize(self.right.len() + REACH, 0.0);
    }

    /// Returns the samples that are ready: left, right, and phase-shifted right, for the same times.
    pub fn ready(&mut self) -> (&[f32], &[f32], &[f32]) {
        let ready = self.right.len().saturating_sub(2 * REACH).min(self.left.len());
        let Self { left, right, weights, shifted } = self;
        shifted.clear();
        shifted.extend((REACH..REACH + ready).map(|at| {
            let pairs = weights.iter().zip((1..).step_by(2));
            pairs.map(|(weight, away)| weight * (right[at - away] - right[at + away])).sum::<f32>()
        }));
        (&left[..ready], &right[REACH..REACH + ready], shifted)
    }

    /// Drops the samples that were ready.
    pub fn pass(&mut self) {
        let passed = self.shifted.len();
        self.left.drain(..passed);
        self.right.drain(..passed);
        self.shifted.clear();
    }
}

/// For each block, the product of the left channel and the phase-shifted right one: positive where they add up,
/// negative where the opposite shift does.
#[derive(Default)]
pub(crate) struct ShiftDirection {
    phase_shift: PhaseShift,
    in_block: usize,
    sum: f32,
    blocks: Vec<f32>,
}

impl ShiftDirection {
    pub fn push(&mut self, left: &[f32], right: &[f32]) {
        self.phase_shift.push(left, right);
        self.count();
    }

    /// Returns the values of all blocks since the start, and returns to the initial state.
    pub fn finish(&mut self) -> Vec<f32> {
        self.phase_shift.finish();
        self.count();
        if self.in_block > 0 {
            self.blocks.push(self.sum);
        }
        std::mem::take(self).blocks
    }

    fn count(&mut self) {
        let (mut left, _, mut shifted) = self.phase_shift.ready();
        while !left.is_empty() {
            let now = left.len().min(BLOCK - self.in_block);
            self.sum += left[..now].iter().zip(shifted).map(|(left, shifted)| left * shifted).sum::<f32>();
            self.in_block += now;
            (left, shifted) = (&left[now..], &shifted[now..]);
            if self.in_block == BLOCK {
                self.blocks.push(self.sum);
                (self.sum, self.in_block) = (0.0, 0);
            }
        }
        self.phase_shift.pass();
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;
    use crate::resample::RATE;

    fn tone(by: f32) -> Vec<f32> {
        (0..16_000).map(|at| 0.25 * (TAU * 440.0 * at as f32 / RATE as f32 + by).sin()).collect()
    }

    #[test]
    fn shift_direction_is_the_one_in_which_channels_add_up() {
        for (by, sign) in [(TAU / 4.0, 1.0), (-TAU / 4.0, -1.0)] {
            let (mut shift_direction, right) = (ShiftDirection::default(), tone(by));
            for (left, right) in tone(0.0).chunks(333).zip(right.chunks(333)) {
                shift_direction.push(left, right);
            }
            let blocks = shift_direction.finish();
            assert_eq!(blocks.len(), 10);
            assert!(blocks.iter().all(|block| block * sign > 10.0), "{by}: {blocks:?}");
        }
        let (mut shift_direction, same) = (ShiftDirection::default(), tone(0.0));
        shift_direction.push(&same, &same);
        assert!(shift_direction.finish()[1..9].iter().all(|block| block.abs() < 1.0), "neither way is better");
    }
}
