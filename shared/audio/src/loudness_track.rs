//! The loudness of a recording every 10 ms: just enough to cut long speech where it is quietest.

use crate::resample::RATE;

pub(crate) const STEP_MS: u32 = 10;
const STEP: usize = (RATE / 1000 * STEP_MS) as usize;

/// Steps are kept in pieces of 11 minutes. A single list growing to two days would be held twice while it is copied.
const PIECE: usize = 65_536;

/// The loudness of each step in two bytes: 34.6 MB for the longest recording.
#[derive(Default)]
pub struct Track {
    pieces: Vec<Vec<u16>>,
    sum: f32,
    in_step: usize,
    /// The number of the track's first step in the recording.
    first: u32,
}

impl Track {
    /// A track that begins at this time of the recording, which is a whole step.
    pub(crate) fn beginning_at(ms: u32) -> Self {
        Self { first: ms / STEP_MS, ..Self::default() }
    }

    pub fn push(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(STEP - self.in_step));
            self.sum += now.iter().map(|sample| sample * sample).sum::<f32>();
            self.in_step += now.len();
            samples = later;
            if self.in_step == STEP {
                self.close_step();
            }
        }
    }

    /// Adds the remaining samples as the last, shorter step.
    pub fn finish(&mut self) {
        if self.in_step > 0 {
            self.close_step();
        }
    }

    fn close_step(&mut self) {
        let rms = (self.sum / self.in_step as f32).sqrt();
        let loudness = rms * f32::from(u16::MAX);
        if self.pieces.last().is_none_or(|piece| piece.len() == PIECE) {
            self.pieces.push(Vec::new());
        }
        if let Some(piece) = self.pieces.last_mut() {
            // The conversion saturates: a sample may be a little above 1.
            piece.push(loudness as u16);
        }
        (self.sum, self.in_step) = (0.0, 0);
    }

    fn step(&self, step: u32) -> u16 {
        let step = (step - self.first) as usize;
        self.pieces.get(step / PIECE).and_then(|piece| piece.get(step % PIECE)).copied().unwrap_or(0)
    }

    /// Returns the start of the quietest `length_ms` within `from_ms..to_ms`, and of equally quiet ones the last.
    /// Returns `None` if no stretch of whole steps fits.
    pub(crate) fn quietest(&self, from_ms: u32, to_ms: u32, length_ms: u32) -> Option<u32> {
        let first = from_ms.div_ceil(STEP_MS).max(self.first);
        let last = to_ms.checked_sub(length_ms)? / STEP_MS;
        let steps = length_ms / STEP_MS;
        let loudness = |start: &u32| (*start..start + steps).map(|step| u32::from(self.step(step))).sum::<u32>();
        let start = (first..=last).rev().min_by_key(loudness)?;
        Some(start * STEP_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(steps: &[f32]) -> Track {
        let mut track = Track::default();
        let samples: Vec<f32> = steps.iter().flat_map(|step| [*step; STEP]).collect();
        samples.chunks(77).for_each(|piece| track.push(piece));
        track.finish();
        track
    }

    #[test]
    fn quietest_stretch_lies_within_bounds() {
        let track = track(&[0.1, 0.9, 0.9, 0.5, 0.4, 0.9, 0.0, 0.0]);
        assert_eq!(track.quietest(10, 60, 20), Some(30));
        assert_eq!(track.quietest(0, 60, 20), Some(30));
        assert_eq!(track.quietest(0, 80, 20), Some(60));
        assert_eq!(track.quietest(11, 41, 20), Some(20));
        assert_eq!(track.quietest(11, 39, 20), None);
        assert_eq!(track.quietest(0, 10, 20), None);
    }

    #[test]
    fn last_of_equally_quiet_stretches_is_taken() {
        assert_eq!(track(&[0.5; 30]).quietest(100, 300, 100), Some(200));
    }

    #[test]
    fn track_that_begins_later_ignores_what_was_before() {
        let mut track = Track::beginning_at(100);
        track.push(&[[0.5; STEP], [0.1; STEP], [0.9; STEP]].concat());
        assert_eq!(track.quietest(0, 130, 10), Some(110));
        assert_eq!(track.quietest(120, 130, 10), Some(120));
        assert_eq!(track.quietest(0, 90, 10), None);
    }

    #[test]
    fn track_of_several_pieces_finds_the_same_quietest_stretch() {
        let mut track = Track::default();
        for step in 0..PIECE + 3 {
            track.push(&[if step == PIECE + 1 { 0.1 } else { 0.5 }; STEP]);
        }
        let from = u32::try_from(PIECE - 5).unwrap() * STEP_MS;
        assert_eq!(track.quietest(from, from + 80, 10), Some(from + 60));
    }
}
