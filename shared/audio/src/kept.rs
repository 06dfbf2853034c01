//! The decoded samples of a short recording, kept from the first pass for those after it: nothing is decoded twice.

use crate::condition::FULL_SCALE;
use crate::error::AudioError;
use crate::frames::Damage;
use crate::resample::RATE;
use crate::samples::{Step, Steps};

/// Ten minutes: longer than most device recordings, and 19 MB.
const MOST: usize = 600 * RATE as usize;
/// Four seconds: growing one list would hold it twice.
const PIECE: usize = 65_536;

/// As 16-bit samples: half the memory, and exactly what most recordings are made of.
#[derive(Debug, Default)]
pub struct Kept {
    pieces: Vec<Vec<i16>>,
}

impl Kept {
    pub fn samples(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }
}

/// Keeps samples until there are too many.
pub(crate) struct Keeping {
    kept: Option<Kept>,
    left: usize,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { kept: Some(Kept::default()), left: MOST }
    }
}

impl Keeping {
    pub fn push(&mut self, mut samples: &[f32]) {
        let Some(kept) = &mut self.kept else { return };
        if samples.len() > self.left {
            self.kept = None;
            return;
        }
        self.left -= samples.len();
        while !samples.is_empty() {
            let last = match kept.pieces.last_mut() {
                Some(last) if last.len() < PIECE => last,
                _ => kept.pieces.push_mut(Vec::new()),
            };
            let (now, later) = samples.split_at(samples.len().min(PIECE - last.len()));
            // Exact: what is heard has 16 bits.
            last.extend(now.iter().map(|sample| (sample * FULL_SCALE) as i16));
            samples = later;
        }
    }

    pub fn finish(self) -> Option<Kept> {
        self.kept
    }
}

/// Gives the samples again.
pub(crate) struct Replay<'k> {
    pieces: std::slice::Iter<'k, Vec<i16>>,
}

impl<'k> Replay<'k> {
    pub fn of(kept: &'k Kept) -> Self {
        Self { pieces: kept.pieces.iter() }
    }
}

impl Steps for Replay<'_> {
    fn rate(&self) -> u32 {
        RATE
    }

    fn step(&mut self, out: &mut Vec<f32>) -> Result<Option<Step>, AudioError> {
        let Some(piece) = self.pieces.next() else { return Ok(None) };
        out.extend(piece.iter().map(|sample| f32::from(*sample) / FULL_SCALE));
        Ok(Some(Step { frames: 1, ..Step::default() }))
    }

    fn damage(&self) -> Damage {
        Damage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::noise;

    fn replayed(kept: &Kept) -> Vec<f32> {
        let (mut replay, mut all) = (Replay::of(kept), Vec::new());
        while replay.step(&mut all).unwrap().is_some() {}
        all
    }

    #[test]
    fn samples_come_back_as_they_were_kept() {
        let samples: Vec<f32> =
            noise(150_000, 0.9).iter().map(|sample| (sample * 32_768.0).trunc() / 32_768.0).collect();
        let mut keeping = Keeping::default();
        samples.chunks(333).for_each(|piece| keeping.push(piece));
        assert_eq!(replayed(&keeping.finish().unwrap()), samples);
    }

    #[test]
    fn ten_minutes_are_kept_and_nothing_of_more() {
        let mut keeping = Keeping::default();
        (0..600).for_each(|_| keeping.push(&[0.0; 16_000]));
        assert!(keeping.kept.as_ref().is_some_and(|kept| kept.samples() == MOST));
        keeping.push(&[0.0]);
        assert!(keeping.finish().is_none());
    }
}
