//! A detector that needs no model: speech is what stands out from the quiet around it.
//!
//! It keeps one level for every 20 ms and decides at the end, when it knows how quiet each part of the recording is:
//! quiet is the level that a tenth of the surrounding half minute stays below. Steady noise, loud or low, never stands
//! out from itself. In doubt it reports speech, because a wasted engine call is better than a lost sentence.

use std::f32::consts::TAU;

use super::{Detector, Hysteresis, Region, samples_to_ms};
use crate::resample::RATE;

const WINDOW_MS: u32 = 20;
const WINDOW: usize = (RATE / 1000 * WINDOW_MS) as usize;

/// A level is kept as a byte: 0 is digital silence, then steps of 0.4 dB from -100 dB on. A day takes 4.3 MB.
const STEPS_PER_DB: f32 = 2.5;
const LOWEST_DB: f32 = -100.0;

/// How far speech stands out from the quiet at least. Steady noise varies by 1 to 2 dB from window to window.
const START_DB: f32 = 8.0;
const STOP_DB: f32 = 5.0;
/// An engine could understand nothing below this level: about 30 steps of a 16-bit sample.
const AUDIBLE_DB: f32 = -60.0;

/// Windows on each side from which the quiet level is computed: 15 s.
const AROUND: usize = 750;
/// The quiet level is computed again every this many windows: every second.
const EVERY: usize = 50;
/// One window in this many is at most as loud as the quiet.
const QUIET_SHARE: usize = 10;

/// Below this frequency there is rumble, mains hum and the offset of cheap converters.
const LOW_CUT_HERTZ: f32 = 80.0;

/// A value far below the lowest level.
const FADED: f32 = 1e-9;

/// See the module.
#[derive(Default)]
pub struct Energy {
    levels: Vec<u8>,
    sum: f64,
    in_window: usize,
    samples: u64,
    before: f32,
    passed: f32,
}

impl Energy {
    pub fn new() -> Self {
        Self::default()
    }

    fn close_window(&mut self) {
        self.levels.push(level(self.sum / self.in_window as f64));
        (self.sum, self.in_window) = (0.0, 0);
    }
}

impl Detector for Energy {
    fn push(&mut self, samples: &[f32]) {
        let keep = 1.0 - TAU * LOW_CUT_HERTZ / RATE as f32;
        for &sample in samples {
            let passed = sample - self.before + keep * self.passed;
            // A value that fades in a filter never reaches zero, and arithmetic with such small numbers takes a hundred
            // times as long.
            self.passed = if passed.abs() < FADED { 0.0 } else { passed };
            self.before = sample;
            self.sum += f64::from(self.passed * self.passed);
            self.in_window += 1;
            if self.in_window == WINDOW {
                self.close_window();
            }
        }
        self.samples += samples.len() as u64;
    }

    fn fresh(&self) -> Box<dyn Detector> {
        Box::new(Self::new())
    }

    fn finish(&mut self) -> Vec<Region> {
        if self.in_window > 0 {
            self.close_window();
        }
        let heard = std::mem::take(self);
        let mut hysteresis = Hysteresis::new(START_DB, STOP_DB, WINDOW_MS);
        let mut quiet = Quiet::new(&heard.levels);
        for (window, &level) in heard.levels.iter().enumerate() {
            let over = f32::from(level) - f32::from(quiet.at(window)).max(audible() - START_DB * STEPS_PER_DB);
            hysteresis.push(over / STEPS_PER_DB);
        }
        hysteresis.finish(u32::try_from(samples_to_ms(heard.samples)).unwrap_or(u32::MAX))
    }
}

fn level(power: f64) -> u8 {
    if power <= 0.0 {
        return 0;
    }
    let db = 10.0 * (power as f32).max(f32::MIN_POSITIVE).log10();
    // The conversion saturates at both ends.
    ((db - LOWEST_DB) * STEPS_PER_DB).round().max(1.0) as u8
}

fn audible() -> f32 {
    (AUDIBLE_DB - LOWEST_DB) * STEPS_PER_DB
}

/// The quiet level around a window, from a histogram that moves along with it.
struct Quiet<'a> {
    levels: &'a [u8],
    counts: [usize; 256],
    from: usize,
    to: usize,
    floor: u8,
}

impl<'a> Quiet<'a> {
    fn new(levels: &'a [u8]) -> Self {
        Self { levels, counts: [0; 256], from: 0, to: 0, floor: 0 }
    }

    /// Returns the quiet level for a window. Windows have to be asked for in order.
    fn at(&mut self, window: usize) -> u8 {
        if window.is_multiple_of(EVERY) {
            let (from, to) = (window.saturating_sub(AROUND), (window + AROUND).min(self.levels.len()));
            self.levels[self.to..to].iter().for_each(|level| self.counts[usize::from(*level)] += 1);
            self.levels[self.from..from].iter().for_each(|level| self.counts[usize::from(*level)] -= 1);
            (self.from, self.to) = (from, to);
            self.floor = self.lowest_tenth(to - from);
        }
        self.floor
    }

    fn lowest_tenth(&self, windows: usize) -> u8 {
        let mut below = 0;
        let reached = (0..=u8::MAX).find(|level| {
            below += self.counts[usize::from(*level)];
            below * QUIET_SHARE > windows
        });
        reached.unwrap_or(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::sample_samples;
    use crate::testing::noise;

    fn regions(samples: &[f32]) -> Vec<Region> {
        let mut energy = Energy::new();
        samples.chunks(333).for_each(|piece| energy.push(piece));
        let found = energy.finish();
        assert_eq!(energy.finish(), [], "it is as new afterwards");
        found
    }

    fn speech_ms(samples: &[f32]) -> u32 {
        regions(samples).iter().map(|region| region.end_ms - region.start_ms).sum()
    }

    fn quieter(samples: &[f32], db: f32) -> Vec<f32> {
        samples.iter().map(|sample| sample * 10f32.powf(db / 20.0)).collect()
    }

    #[test]
    fn digital_silence_and_steady_noise_are_not_speech() {
        assert_eq!(regions(&[]), []);
        assert_eq!(regions(&vec![0.0; 160_000]), []);
        assert_eq!(regions(&vec![-0.3; 160_000]), [], "an offset is not a sound");
        for loudness in [1e-5, 1e-3, 0.01, 0.3] {
            assert_eq!(regions(&noise(320_000, loudness)), [], "{loudness}");
        }
    }

    #[test]
    fn a_click_is_not_speech() {
        let mut samples = noise(160_000, 0.001);
        samples[80_000..80_800].fill(0.9);
        assert_eq!(regions(&samples), []);
    }

    #[test]
    fn speech_is_found_at_any_loudness() {
        let clip = sample_samples();
        for db in [0.0, -20.0, -30.0] {
            let found = speech_ms(&quieter(&clip, db));
            assert!((1_500..=3_000).contains(&found), "{found} ms at {db} dB");
        }
    }

    #[test]
    fn speech_is_found_at_its_position() {
        let samples = [noise(160_000, 0.002), sample_samples(), noise(160_000, 0.002)].concat();
        let (first, last) = (regions(&samples)[0], *regions(&samples).last().unwrap());
        assert!((10_000..10_700).contains(&first.start_ms), "{first:?}");
        assert!((11_500..=13_100).contains(&last.end_ms), "{last:?}");
    }

    #[test]
    fn speech_is_found_between_noise_gates_and_beside_loud_noise() {
        let clip = sample_samples();
        let gated = [vec![0.0; 400_000], clip.clone(), vec![0.0; 400_000]].concat();
        assert!(speech_ms(&gated) > 1_500);
        let beside = [noise(960_000, 0.3), vec![0.0; 16_000], clip, vec![0.0; 640_000]].concat();
        assert!(regions(&beside).iter().any(|region| (61_000..64_500).contains(&region.start_ms)));
    }

    #[test]
    fn real_recordings_of_both_sample_widths_have_speech() {
        for (name, least) in [("ss0880_pcm16", 1_500), ("ss0880_pcm8", 1_500), ("ss0890_pcm16", 3_000)] {
            let found = speech_ms(&crate::testing::fixture_samples(name));
            assert!(found >= least, "{name}: {found} ms");
        }
    }
}
