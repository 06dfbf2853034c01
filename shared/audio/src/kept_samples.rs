//! Keeps the decoded samples of a short recording from the first pass for later passes, so that it is not decoded
//! twice.

use crate::channels::Piece;
use crate::error::AudioError;
use crate::frames::Damage;
use crate::offset_removal::FULL_SCALE;
use crate::resample::RATE;
use crate::sample_source::{Step, Steps};

/// The most samples that are kept: ten minutes of one channel or five of two. That is longer than most device
/// recordings, and takes 19 MB.
const MOST: usize = 600 * RATE as usize;
/// Samples in a piece: four seconds. A single growing list would be held twice while it is copied.
const PIECE: usize = 65_536;

/// The samples of a recording, kept with 16 bits each: half the memory, and exactly what most recordings consist of.
#[derive(Debug, Default)]
pub struct KeptSamples {
    left: Pieces,
    /// The second channel, if there is one; it is as long as the first.
    right: Option<Pieces>,
}

#[derive(Clone, Debug, Default)]
struct Pieces(Vec<Vec<i16>>);

impl Pieces {
    fn samples(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    fn push(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let last = match self.0.last_mut() {
                Some(last) if last.len() < PIECE => last,
                _ => self.0.push_mut(Vec::new()),
            };
            let (now, later) = samples.split_at(samples.len().min(PIECE - last.len()));
            // The conversion is exact, because samples for listeners have 16 bits.
            last.extend(now.iter().map(|sample| (sample * FULL_SCALE) as i16));
            samples = later;
        }
    }
}

#[cfg(test)]
impl KeptSamples {
    #[cfg(test)]
    fn samples(&self) -> usize {
        self.left.samples() * if self.right.is_some() { 2 } else { 1 }
    }
}

/// Keeps samples, or nothing once there are too many.
pub(crate) struct Keeping {
    kept: Option<KeptSamples>,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { kept: Some(KeptSamples::default()) }
    }
}

impl Keeping {
    /// Keeps nothing: for a recording that is not read from its start.
    pub fn nothing() -> Self {
        Self { kept: None }
    }

    pub fn push(&mut self, piece: Piece<'_>) {
        let Some(kept) = &mut self.kept else { return };
        let channels = if piece.right.is_some() { 2 } else { 1 };
        if (kept.left.samples() + piece.len()) * channels > MOST {
            self.kept = None;
            return;
        }
        if let Some(right) = piece.right {
            kept.right.get_or_insert_with(|| kept.left.clone()).push(right);
        }
        kept.left.push(piece.left);
    }

    pub fn finish(self) -> Option<KeptSamples> {
        self.kept
    }
}

/// Plays back the kept samples.
pub(crate) struct Replay<'k> {
    kept: &'k KeptSamples,
    next: usize,
}

impl<'k> Replay<'k> {
    pub fn of(kept: &'k KeptSamples) -> Self {
        Self { kept, next: 0 }
    }
}

impl Steps for Replay<'_> {
    fn rate(&self) -> u32 {
        RATE
    }

    fn channels(&self) -> usize {
        if self.kept.right.is_some() { 2 } else { 1 }
    }

    fn step(&mut self, out: &mut Vec<f32>) -> Result<Option<Step>, AudioError> {
        let Some(left) = self.kept.left.0.get(self.next) else { return Ok(None) };
        let sample = |sample: &i16| f32::from(*sample) / FULL_SCALE;
        match self.kept.right.as_ref().and_then(|right| right.0.get(self.next)) {
            None => out.extend(left.iter().map(sample)),
            Some(right) => out.extend(left.iter().zip(right).flat_map(|(l, r)| [sample(l), sample(r)])),
        }
        self.next += 1;
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

    fn replayed(kept: &KeptSamples) -> Vec<f32> {
        let (mut replay, mut all) = (Replay::of(kept), Vec::new());
        while replay.step(&mut all).unwrap().is_some() {}
        all
    }

    #[test]
    fn samples_come_back_as_kept() {
        let samples: Vec<f32> =
            noise(150_000, 0.9).iter().map(|sample| (sample * 32_768.0).trunc() / 32_768.0).collect();
        let mut keeping = Keeping::default();
        samples.chunks(333).for_each(|left| keeping.push(Piece { left, right: None }));
        assert_eq!(replayed(&keeping.finish().unwrap()), samples);
    }

    #[test]
    fn both_channels_come_back_from_where_the_second_begins() {
        let samples = [0.25; 70_000];
        let mut keeping = Keeping::default();
        keeping.push(Piece { left: &samples, right: None });
        keeping.push(Piece { left: &[0.5], right: Some(&[-0.5]) });
        let kept = keeping.finish().unwrap();
        assert_eq!(replayed(&kept), [&[0.25; 140_000][..], &[0.5, -0.5]].concat());
    }

    #[test]
    fn recording_of_ten_minutes_is_kept_and_longer_one_is_not() {
        let mut keeping = Keeping::default();
        let second = [0.0; 16_000];
        (0..600).for_each(|_| keeping.push(Piece { left: &second, right: None }));
        assert!(keeping.kept.as_ref().is_some_and(|kept| kept.samples() == MOST));
        keeping.push(Piece { left: &[0.0], right: None });
        assert!(keeping.finish().is_none());
    }

    #[test]
    fn two_channels_are_kept_for_half_as_long() {
        let (mut keeping, second) = (Keeping::default(), [0.0; 16_000]);
        let both = || Piece { left: &second, right: Some(&second) };
        (0..300).for_each(|_| keeping.push(both()));
        assert!(keeping.kept.as_ref().is_some_and(|kept| kept.samples() == MOST));
        keeping.push(both());
        assert!(keeping.finish().is_none());
    }
}
