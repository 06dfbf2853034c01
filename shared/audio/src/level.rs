//! How loud a recording is as a whole, and from that the gain that brings it to the level that listeners know.
//!
//! Speech at a tenth of its usual level costs an engine every tenth word, and detection misses whole sentences. The level
//! is that which one sample in a thousand exceeds: neither a click nor a long pause moves it much.

use domain::Gain;

use crate::packed::{Packer, Unpacker};
use crate::resample::RATE;

/// What one sample in a thousand exceeds, afterwards.
const WANTED: f32 = 0.5;
const SHARE_ABOVE: u64 = 1_000;
/// More than this only brings up the noise of the converter.
const MOST: f32 = 60.0;

/// 32 ms.
const WINDOW: usize = 512;
const WINDOWS_A_SECOND: u64 = RATE as u64 / WINDOW as u64;
/// Where the loudest 200 ms, which is the least speech, are not so much louder than the quietest tenth, there is nothing
/// but noise: 9.5 dB. Pink noise of an hour varies by 8 dB, speech by 30 and more.
const STEADY: f32 = 3.0;
const LEAST_SPEECH: u64 = WINDOWS_A_SECOND / 5;
const QUIET_SHARE: u64 = 10;
/// Where speech is rare, one sample in a thousand is only what is between it. So of what is at most 20 dB below the loudest
/// half second, never more than one sample in five hundred is above the level: speech that has pauses is that dense.
const LOUDEST: u64 = WINDOWS_A_SECOND / 2;
const DENSE: f32 = 0.1;
const DENSE_SHARE_ABOVE: u64 = 500;

/// Quieter windows hold nothing that an engine could understand: -60 dB.
pub(crate) const AUDIBLE: f32 = 0.001;
/// As loud as bytes that mean something else, read as samples: compressed audio taken for PCM has 0.58, for µ-law 0.31.
const ROAR: f32 = 0.25;

/// Collects levels, in a few kilobytes whatever the length.
#[derive(Clone, Default)]
pub(crate) struct Levels {
    samples: Histogram,
    loudness: Histogram,
    window: Window,
}

#[derive(Clone, Copy, Default)]
struct Window {
    power: f32,
    samples: usize,
}

/// What the levels of a whole recording say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Level {
    pub gain: Gain,
    /// With that gain, some window of it can be heard.
    pub audible: bool,
    /// More than half of it is so loud that, without speech, it is noise and no silence.
    pub roar: bool,
}

impl Levels {
    pub fn push(&mut self, mut samples: &[f32]) {
        while !samples.is_empty() {
            let (now, later) = samples.split_at(samples.len().min(WINDOW - self.window.samples));
            for sample in now {
                let size = sample.abs();
                self.samples.add(size);
                self.window.power += size * size;
            }
            self.window.samples += now.len();
            samples = later;
            if self.window.samples == WINDOW {
                self.close_window();
            }
        }
    }

    fn close_window(&mut self) {
        let window = std::mem::take(&mut self.window);
        self.loudness.add((window.power / window.samples as f32).sqrt());
    }

    /// At a moment no window is open.
    pub fn pack(&self, to: &mut Packer) {
        self.samples.pack(to);
        self.loudness.pack(to);
    }

    pub fn unpack(from: &mut Unpacker) -> Option<Self> {
        let (samples, loudness) = (Histogram::unpack(from)?, Histogram::unpack(from)?);
        Some(Self { samples, loudness, window: Window::default() })
    }

    pub fn finish(mut self) -> Level {
        if self.window.samples > 0 {
            self.close_window();
        }
        let gain = Gain::of(self.gain());
        let loudest = self.loudness.exceeded_by(0) * gain.factor();
        let roaring = self.loudness.count_from(ROAR);
        Level { gain, audible: loudest >= AUDIBLE, roar: roaring * 2 > self.loudness.total }
    }

    fn gain(&self) -> f32 {
        let dense = self.loudness.count_from(self.loudness.exceeded_by(LOUDEST) * DENSE) * WINDOW as u64;
        let above = (self.samples.total / SHARE_ABOVE).min(dense / DENSE_SHARE_ABOVE);
        let gain = WANTED / self.samples.exceeded_by(above).max(WANTED / MOST);
        if gain > 1.0 && self.is_steady() { 1.0 } else { gain }
    }

    fn is_steady(&self) -> bool {
        let quiet = self.loudness.exceeded_by(self.loudness.total - self.loudness.total / QUIET_SHARE);
        self.loudness.exceeded_by(LEAST_SPEECH) <= quiet * STEADY
    }
}

/// Bits of a number's mantissa that are told apart: 64 steps an octave.
const STEP_BITS: u32 = 6;
const SHIFT: u32 = f32::MANTISSA_DIGITS - 1 - STEP_BITS;
const OCTAVES: u32 = 22;
/// What is below a sixteenth of a 16-bit step is nothing: 2^-19. The loudest is 4.
const LOWEST: u32 = ((f32::MAX_EXP as u32 - 1) - 19) << STEP_BITS;
const STEPS: usize = (OCTAVES << STEP_BITS) as usize;

/// Counts sizes by their leading bits, within 1.6 %.
#[derive(Clone)]
struct Histogram {
    counts: Box<[u64; STEPS]>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Box::new([0; STEPS]), total: 0 }
    }
}

fn step(size: f32) -> usize {
    ((size.to_bits() >> SHIFT).saturating_sub(LOWEST) as usize).min(STEPS - 1)
}

/// The smallest size of a step; what is in the first is nothing.
fn size(step: usize) -> f32 {
    if step == 0 { 0.0 } else { f32::from_bits((step as u32 + LOWEST) << SHIFT) }
}

impl Histogram {
    fn add(&mut self, size: f32) {
        self.counts[step(size)] += 1;
        self.total += 1;
    }

    /// Most sizes are never met: of the others, how far they are apart and how often they were.
    fn pack(&self, to: &mut Packer) {
        to.put(self.counts.iter().filter(|count| **count > 0).count() as u64);
        let mut before = 0;
        for (step, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            to.put((step - before) as u64);
            to.put(*count);
            before = step;
        }
    }

    fn unpack(from: &mut Unpacker) -> Option<Self> {
        let (mut histogram, mut step) = (Self::default(), 0);
        for _ in 0..from.take_count()? {
            step = from.take_as::<usize>()?.checked_add(step)?;
            let count = histogram.counts.get_mut(step)?;
            *count = from.take()?;
            histogram.total = histogram.total.checked_add(*count)?;
        }
        Some(histogram)
    }

    /// The size that at most so many exceed.
    fn exceeded_by(&self, most: u64) -> f32 {
        let mut above = 0;
        let reached = (0..STEPS).rev().find(|step| {
            above += self.counts[*step];
            above > most
        });
        reached.map_or(0.0, size)
    }

    fn count_from(&self, size: f32) -> u64 {
        self.counts[step(size)..].iter().sum()
    }
}

#[cfg(test)]
mod tests;
