//! Finds speech: defines what a detector is and how scores become regions.

mod energy;
mod silero;

use std::sync::Arc;

pub use energy::Energy;
pub use silero::ModelError;
pub(crate) use silero::{Network, Silero};

use crate::resample::RATE;

/// A voiced stretch that is shorter than this is a click or a breath.
pub const MIN_SPEECH_MS: u32 = 200;
/// A shorter gap is part of speaking.
pub const MIN_PAUSE_MS: u32 = 400;

/// A stretch of speech: from `start_ms` up to, but without, `end_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    pub start_ms: u32,
    pub end_ms: u32,
}

/// Listens to one recording from start to end.
pub trait Detector: Send {
    /// Takes the next samples: mono, 16 kHz, in pieces of any size.
    fn push(&mut self, samples: &[f32]);

    /// Returns every region of speech of at least [`MIN_SPEECH_MS`], in order, at least [`MIN_PAUSE_MS`] apart, within
    /// the recording. Regions come **without padding**: it is added when segments are made, because padding is never
    /// billed. Afterwards the detector is as new.
    fn finish(&mut self) -> Vec<Region>;

    /// Returns another detector in its initial state, for another channel of the same recording.
    fn fresh(&self) -> Box<dyn Detector>;
}

/// Creates a detector for each recording.
#[derive(Clone)]
pub struct Detection(Arc<dyn Fn() -> Box<dyn Detector> + Send + Sync>);

impl Detection {
    pub fn new(make: impl Fn() -> Box<dyn Detector> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The detector that needs no model, for tests and benchmarks of everything around it: it takes any sound that
    /// stands out for speech.
    pub fn energy() -> Self {
        Self::new(|| Box::new(Energy::new()))
    }

    /// The Silero detector. `model` is its sequence model, as its package has it; it is loaded once, here.
    pub fn silero(model: &'static [u8]) -> Result<Self, ModelError> {
        let network = Arc::new(Network::load(model)?);
        Ok(Self::new(move || Box::new(Silero::new(Arc::clone(&network)))))
    }

    pub fn detector(&self) -> Box<dyn Detector> {
        (self.0)()
    }
}

/// Turns one score for each window into regions. A region starts with a high score and continues over lower ones, so
/// that a voice that fades within a word is not cut.
pub(crate) struct Hysteresis {
    pub start: f32,
    pub stop: f32,
    pub window_ms: u32,
    at_ms: u32,
    open: Option<Open>,
    regions: Vec<Region>,
}

struct Open {
    region: Region,
    voiced_ms: u32,
}

impl Hysteresis {
    pub fn new(start: f32, stop: f32, window_ms: u32) -> Self {
        Self { start, stop, window_ms, at_ms: 0, open: None, regions: Vec::new() }
    }

    pub fn push(&mut self, score: f32) {
        let window = Region { start_ms: self.at_ms, end_ms: self.at_ms + self.window_ms };
        self.at_ms = window.end_ms;
        match &mut self.open {
            None if score >= self.start => self.open = Some(Open { region: window, voiced_ms: self.window_ms }),
            None => {}
            Some(open) if score >= self.stop => {
                open.region.end_ms = window.end_ms;
                open.voiced_ms += self.window_ms;
            }
            Some(open) if window.end_ms - open.region.end_ms >= MIN_PAUSE_MS => self.close(),
            Some(_) => {}
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take()
            && open.voiced_ms >= MIN_SPEECH_MS
        {
            self.regions.push(open.region);
        }
    }

    /// Returns the regions of a recording of this many milliseconds; its last window may reach beyond the end.
    pub fn finish(mut self, duration_ms: u32) -> Vec<Region> {
        self.close();
        for region in &mut self.regions {
            region.end_ms = region.end_ms.min(duration_ms);
        }
        self.regions.retain(|region| region.start_ms < region.end_ms);
        self.regions
    }
}

/// The number of whole milliseconds that hold this many samples; the last one may be only partly filled.
pub(crate) fn samples_to_ms(samples: u64) -> u64 {
    samples.div_ceil(u64::from(RATE / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(scores: &[(f32, u32)]) -> Vec<(u32, u32)> {
        let mut hysteresis = Hysteresis::new(0.5, 0.35, 10);
        for &(score, windows) in scores {
            (0..windows).for_each(|_| hysteresis.push(score));
        }
        hysteresis.finish(100_000).iter().map(|region| (region.start_ms, region.end_ms)).collect()
    }

    #[test]
    fn region_starts_at_high_score_and_continues_over_lower_ones() {
        assert_eq!(regions(&[(0.4, 50), (0.5, 1), (0.35, 30), (0.34, 50)]), [(500, 810)]);
        assert_eq!(regions(&[(0.49, 200)]), []);
    }

    #[test]
    fn sound_shorter_than_minimum_is_no_region() {
        assert_eq!(regions(&[(0.0, 5), (1.0, 19), (0.0, 50)]), []);
        assert_eq!(regions(&[(0.0, 5), (1.0, 20), (0.0, 50)]), [(50, 250)]);
        assert_eq!(regions(&[(1.0, 1), (0.0, 39), (1.0, 1)]), [], "two clicks are not a word");
    }

    #[test]
    fn pause_splits_regions_from_400_ms_on() {
        assert_eq!(regions(&[(1.0, 30), (0.0, 39), (1.0, 30)]), [(0, 990)]);
        assert_eq!(regions(&[(1.0, 30), (0.0, 40), (1.0, 30)]), [(0, 300), (700, 1000)]);
    }

    #[test]
    fn last_window_does_not_reach_beyond_the_end() {
        let mut hysteresis = Hysteresis::new(0.5, 0.35, 20);
        (0..20).for_each(|_| hysteresis.push(1.0));
        assert_eq!(hysteresis.finish(393), [Region { start_ms: 0, end_ms: 393 }]);
    }
}
