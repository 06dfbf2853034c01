//! Mixes the channels of a recording into one, at its levels.
//!
//! Half the sum of two channels is quieter than the channels where they cancel each other, and choosing one channel
//! loses what is only in the other. So where both channels hold something of their own, the second is phase-shifted by
//! 90 degrees before they are added: whatever sign and level a voice has in either, it is as loud in the sum as in both
//! together. If it is already 90 degrees apart in the channels, one direction of the shift cancels it; then the other
//! direction is used.

use domain::Levels;
use domain::levels::{Mix, Stretch};

use crate::channels::Piece;
use crate::error::AudioError;
use crate::grid::Grid;
use crate::phase_shift::PhaseShift;
use crate::resample::RATE;
use crate::restart_points::{RestartPoint, RestartPoints};
use crate::samples::{Next, Samples};
use crate::stats::ReadStats;

/// Between stretches the factors glide for a fifth of a second, half of it on either side of the border.
const GLIDE_MS: i64 = 200;
/// Weights are computed this often and interpolated linearly in between.
const STEP_MS: u64 = 10;
const STEP: usize = (RATE as u64 / 1000 * STEP_MS) as usize;

/// The weights of the left channel, the right channel, and the phase-shifted right channel.
type Weights = [f32; 3];

fn weights(mix: Mix) -> Weights {
    match mix {
        Mix::Mid => [0.5, 0.5, 0.0],
        Mix::Side => [0.5, -0.5, 0.0],
        Mix::Left => [1.0, 0.0, 0.0],
        Mix::Right => [0.0, 1.0, 0.0],
        Mix::Both => [1.0, 0.0, 1.0],
        Mix::BothBack => [1.0, 0.0, -1.0],
    }
}

/// The weights over time.
struct WeightCurve {
    levels: Levels,
    /// The index of the stretch that was used last.
    at: usize,
}

impl WeightCurve {
    /// Returns the weights at a time. Times have to be asked for in order.
    fn weights(&mut self, at_ms: u64) -> Weights {
        let stretches = self.levels.stretches();
        if stretches.is_empty() {
            let factor = self.levels.one_gain().unwrap_or_default().factor();
            return weights(Mix::Mid).map(|weight| weight * factor);
        }
        let at_ms = at_ms.cast_signed();
        let (from, to) = (at_ms - GLIDE_MS / 2, at_ms + GLIDE_MS / 2);
        let begins = |stretch: &Stretch| i64::from(stretch.start_ms());
        while stretches.get(self.at + 1).is_some_and(|next| begins(next) <= from) {
            self.at += 1;
        }
        let (mut mixed, mut loudness) = ([0.0; 3], 0.0);
        for (index, stretch) in stretches.iter().enumerate().skip(self.at) {
            let starts = if index == self.at { from } else { begins(stretch) };
            if starts >= to {
                break;
            }
            let ends = stretches.get(index + 1).map_or(to, |next| begins(next).min(to));
            let share = (ends - starts) as f32 / GLIDE_MS as f32;
            if share == 1.0 {
                return weights(stretch.mix).map(|weight| weight * stretch.factor());
            }
            loudness += share * stretch.factor().ln();
            mixed.iter_mut().zip(weights(stretch.mix)).for_each(|(mixed, weight)| *mixed += share * weight);
        }
        mixed.map(|weight| weight * loudness.exp())
    }
}

/// Mixes samples piece by piece.
pub(crate) struct Mixer {
    curve: WeightCurve,
    /// The weights at the start and at the end of the step that the next sample lies in.
    step: (Weights, Weights),
    given: u64,
    phase_shift: Option<PhaseShift>,
}

impl Mixer {
    pub fn new(levels: &Levels) -> Self {
        Self::beginning_at(levels, 0)
    }

    /// A mixer whose input begins at this sample of the recording.
    pub fn beginning_at(levels: &Levels, sample: u64) -> Self {
        let phase_shift =
            levels.stretches().iter().any(|stretch| weights(stretch.mix)[2] != 0.0).then(PhaseShift::default);
        let mut curve = WeightCurve { levels: levels.clone(), at: 0 };
        let begins_ms = sample / STEP as u64 * STEP_MS;
        let step = (curve.weights(begins_ms), curve.weights(begins_ms + STEP_MS));
        Self { curve, step, given: sample, phase_shift }
    }

    /// Appends what can be mixed so far.
    pub fn push(&mut self, piece: Piece<'_>, out: &mut Vec<f32>) {
        let (left, right) = (piece.left, piece.right.unwrap_or(piece.left));
        match self.phase_shift.take() {
            None => self.mix(left, right, &[], out),
            Some(mut phase_shift) => {
                phase_shift.push(left, right);
                self.mix_shifted(&mut phase_shift, out);
                self.phase_shift = Some(phase_shift);
            }
        }
    }

    /// Appends the rest, so that as many samples come out as went in.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if let Some(mut phase_shift) = self.phase_shift.take() {
            phase_shift.finish();
            self.mix_shifted(&mut phase_shift, out);
        }
    }

    fn mix_shifted(&mut self, phase_shift: &mut PhaseShift, out: &mut Vec<f32>) {
        let (left, right, shifted) = phase_shift.ready();
        self.mix(left, right, shifted, out);
        phase_shift.pass();
    }

    fn mix(&mut self, mut left: &[f32], mut right: &[f32], mut shifted: &[f32], out: &mut Vec<f32>) {
        while !left.is_empty() {
            let in_step = (self.given % STEP as u64) as usize;
            let now = left.len().min(STEP - in_step);
            let (from, to) = self.step;
            for at in 0..now {
                let along = (in_step + at) as f32 / STEP as f32;
                let weight = |which: usize| from[which] + (to[which] - from[which]) * along;
                let shifted = shifted.get(at).map_or(0.0, |shifted| shifted * weight(2));
                out.push((left[at] * weight(0) + right[at] * weight(1) + shifted).clamp(-1.0, 1.0));
            }
            (left, right) = (&left[now..], &right[now..]);
            shifted = shifted.get(now..).unwrap_or_default();
            self.given += now as u64;
            if self.given.is_multiple_of(STEP as u64) {
                self.step = (to, self.curve.weights(self.given / STEP as u64 * STEP_MS + STEP_MS));
            }
        }
    }
}

/// A recording as engines hear it: one channel, at its levels.
pub(crate) struct MixedSamples<'r> {
    samples: Samples<'r>,
    levels: Levels,
    mixer: Mixer,
    out: Vec<f32>,
    /// How many of the next samples lie before the last restart point and are dropped.
    before: usize,
    over: bool,
}

impl<'r> MixedSamples<'r> {
    pub fn new(samples: Samples<'r>, levels: &Levels) -> Self {
        let (samples, levels, mixer) = (samples.conditioned(), levels.clone(), Mixer::new(levels));
        Self { samples, levels, mixer, out: Vec::new(), before: 0, over: false }
    }

    /// Jumps to a known restart point that lies ahead.
    pub fn resume_at(&mut self, point: &RestartPoint) -> Result<(), AudioError> {
        // What the mixer still holds lies before the restart point, so it is dropped.
        self.mixer = Mixer::new(&Levels::default());
        self.samples.resume_at(point, ReadStats::default())
    }

    pub fn grid(&self) -> Grid {
        self.samples.grid()
    }

    pub fn restart_points(&self) -> &RestartPoints {
        self.samples.restart_points()
    }

    /// Returns the next samples, possibly none; `None` at the end.
    pub fn next_piece(&mut self) -> Result<Option<&[f32]>, AudioError> {
        if self.over {
            return Ok(None);
        }
        self.out.clear();
        match self.samples.next()? {
            Some(Next::Samples(piece)) => {
                self.mixer.push(piece, &mut self.out);
                self.drop_lead();
            }
            Some(Next::RestartPoint(begun)) => {
                // The part before the restart point ends here; the next one begins with the samples that lead to the
                // restart point.
                self.mixer.finish(&mut self.out);
                let warm = begun.warm.len();
                self.mixer = Mixer::beginning_at(&self.levels, begun.sample - warm as u64);
                let mut led = Vec::with_capacity(warm);
                self.mixer.push(begun.warm, &mut led);
                self.before = warm - led.len();
            }
            None => {
                self.over = true;
                self.mixer.finish(&mut self.out);
                self.drop_lead();
            }
        }
        Ok(Some(&self.out))
    }

    fn drop_lead(&mut self) {
        let before = self.before.min(self.out.len());
        self.out.drain(..before);
        self.before -= before;
    }
}

#[cfg(test)]
mod tests;
