//! Resamples any rate to 16 kHz as samples come: a windowed sinc filter, split into the phases that the ratio needs.
//!
//! Output sample `k` lies exactly at `k / 16,000` seconds of the recording, whatever its rate. The filter's delay is
//! compensated, so times found in the output are times in the recording.

use std::f64::consts::PI;

/// The sample rate of everything behind the decoders.
pub const RATE: u32 = 16_000;

/// Zero crossings of the sinc on each side: enough for 80 dB with the window below.
const CROSSINGS: f64 = 16.0;
/// The share of the band that passes; the rest is the filter's slope. Speech loses nothing above 7.2 kHz.
const PASSED: f64 = 0.9;
/// Odd rates would need up to 16,000 phases. Taking the nearest of these instead shifts a sample by at most a
/// two-thousandth.
const MAX_PHASES: u32 = 1024;
/// Products are summed in this many lanes, so that they can be computed side by side.
const LANES: usize = 8;

#[derive(Clone)]
pub(crate) struct Resampler {
    filter: Option<Filter>,
}

#[derive(Clone)]
struct Filter {
    /// Input samples for each output sample: `down / up`.
    up: u32,
    down: u32,
    phases: u32,
    taps: usize,
    /// `phases + 1` rows of `taps`; the last is the first, one sample later.
    table: Vec<f32>,
    /// Input that is still needed, from the first tap of the next output on.
    input: Vec<f32>,
    /// How far behind `input[0]` the next output lies, in parts of `up`.
    fraction: u32,
    given: u64,
    taken: u64,
}

impl Resampler {
    pub fn new(rate: u32) -> Self {
        Self::starting_at(rate, 0)
    }

    /// The first input sample has this number in the recording; outputs keep their positions.
    pub fn starting_at(rate: u32, start: u64) -> Self {
        Self { filter: (rate != RATE).then(|| Filter::starting_at(rate, start)) }
    }

    /// Appends what can be computed so far.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        match &mut self.filter {
            None => out.extend_from_slice(samples),
            Some(filter) => {
                filter.taken += samples.len() as u64;
                filter.input.extend_from_slice(samples);
                filter.run(u64::MAX, out);
            }
        }
    }

    /// Appends the end, so that the output lasts exactly as long as the input, rounded up to a whole sample.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        if let Some(filter) = &mut self.filter {
            let total = (filter.taken * u64::from(filter.up)).div_ceil(u64::from(filter.down));
            filter.input.resize(filter.input.len() + filter.taps, 0.0);
            filter.run(total, out);
        }
    }
}

/// Returns the first output sample that does not lie before this input sample.
pub(crate) fn first_from(rate: u32, start: u64) -> u64 {
    let (up, down) = ratio(rate);
    (start * u64::from(up)).div_ceil(u64::from(down))
}

fn ratio(rate: u32) -> (u32, u32) {
    let common = gcd(rate, RATE);
    (RATE / common, rate / common)
}

impl Filter {
    fn starting_at(rate: u32, start: u64) -> Self {
        let (up, down) = ratio(rate);
        let phases = up.min(MAX_PHASES);
        // Below 16 kHz the images of the input have to be removed, above it the frequencies that 16 kHz cannot hold.
        let band = PASSED * f64::from(RATE.min(rate)) / f64::from(rate);
        let half = (CROSSINGS / band).ceil();
        let taps = (2 * half as usize).next_multiple_of(LANES);
        let table = (0..=phases).flat_map(|phase| row(f64::from(phase) / f64::from(phases), taps, band)).collect();
        let given = first_from(rate, start);
        // How far the first output lies behind the first input, in parts of `up`: less than `down`.
        let behind = given * u64::from(down) - start * u64::from(up);
        let (skipped, fraction) = ((behind / u64::from(up)) as usize, (behind % u64::from(up)) as u32);
        // Silence is assumed before the first sample.
        let input = vec![0.0; (taps / 2 - 1).saturating_sub(skipped)];
        Self { up, down, phases, taps, table, input, fraction, given, taken: start }
    }

    fn run(&mut self, total: u64, out: &mut Vec<f32>) {
        let mut at = 0;
        while self.given < total && at + self.taps <= self.input.len() {
            let phase =
                (u64::from(self.fraction) * u64::from(self.phases) * 2 + u64::from(self.up)) / (u64::from(self.up) * 2);
            let row = &self.table[phase as usize * self.taps..][..self.taps];
            out.push(product(row, &self.input[at..at + self.taps]));
            self.given += 1;
            let next = self.fraction + self.down;
            at += (next / self.up) as usize;
            self.fraction = next % self.up;
        }
        self.input.drain(..at);
    }
}

/// Returns the filter for outputs that lie `fraction` of a sample behind tap `taps / 2 - 1`.
fn row(fraction: f64, taps: usize, band: f64) -> Vec<f32> {
    let half = taps as f64 / 2.0;
    let weight = |tap: usize| {
        let x = tap as f64 - (half - 1.0) - fraction;
        let sinc = if x == 0.0 { 1.0 } else { (PI * band * x).sin() / (PI * band * x) };
        sinc * blackman(x / half)
    };
    let weights: Vec<f64> = (0..taps).map(weight).collect();
    // Every phase passes a constant unchanged; otherwise the changes from phase to phase would be audible as a tone.
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| (weight / sum) as f32).collect()
}

fn blackman(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { 0.42 + 0.5 * (PI * x).cos() + 0.08 * (2.0 * PI * x).cos() }
}

fn product(row: &[f32], input: &[f32]) -> f32 {
    let (row, _) = row.as_chunks::<LANES>();
    let (input, _) = input.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (weights, samples) in row.iter().zip(input) {
        for lane in 0..LANES {
            sums[lane] += weights[lane] * samples[lane];
        }
    }
    sums.iter().sum()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tone(rate: u32, hertz: f64, seconds: f64) -> Vec<f32> {
        let count = (f64::from(rate) * seconds) as usize;
        (0..count).map(|i| (2.0 * PI * hertz * i as f64 / f64::from(rate)).sin() as f32).collect()
    }

    fn resampled(rate: u32, input: &[f32], piece: usize) -> Vec<f32> {
        let (mut resampler, mut out) = (Resampler::new(rate), Vec::new());
        for piece in input.chunks(piece) {
            resampler.push(piece, &mut out);
        }
        resampler.finish(&mut out);
        out
    }

    /// The loudness of the difference, in dB, away from both ends.
    fn error_db(got: &[f32], expected: &[f32]) -> f64 {
        let ends = 400..got.len().min(expected.len()) - 400;
        let sum: f64 = ends.clone().map(|i| f64::from(got[i] - expected[i]).powi(2)).sum();
        10.0 * (sum / ends.len() as f64 + 1e-15).log10()
    }

    #[test]
    fn tone_keeps_pitch_loudness_and_time() {
        for (rate, worst) in [(8_000, -70.0), (11_025, -70.0), (12_000, -70.0), (24_000, -70.0), (44_100, -70.0)] {
            let error = error_db(&resampled(rate, &tone(rate, 1_000.0, 1.0), 441), &tone(RATE, 1_000.0, 1.0));
            assert!(error < worst, "{rate}: {error} dB");
        }
        for rate in [8_001, 47_999, 48_000] {
            let error = error_db(&resampled(rate, &tone(rate, 1_000.0, 1.0), 441), &tone(RATE, 1_000.0, 1.0));
            assert!(error < -60.0, "{rate}: {error} dB");
        }
    }

    #[test]
    fn frequencies_above_8_khz_are_not_aliased() {
        for (rate, hertz) in [(48_000, 9_000.0), (48_000, 15_000.0), (44_100, 10_000.0), (32_000, 12_000.0)] {
            let error = error_db(&resampled(rate, &tone(rate, hertz, 1.0), 480), &vec![0.0; 16_000]);
            assert!(error < -60.0, "{hertz} at {rate}: {error} dB");
        }
    }

    #[test]
    fn images_of_low_rate_are_removed() {
        let error = error_db(&resampled(8_000, &tone(8_000, 3_000.0, 1.0), 80), &tone(RATE, 3_000.0, 1.0));
        assert!(error < -60.0, "{error} dB");
    }

    #[test]
    fn input_at_16_khz_passes_unchanged() {
        let input = tone(RATE, 440.0, 0.1);
        assert_eq!(resampled(RATE, &input, 7), input);
    }

    proptest! {
        #[test]
        fn resampler_starting_later_gives_same_samples_once_filter_is_full(
            rate in prop_oneof![Just(8_000u32), Just(44_100), Just(48_000), Just(96_000), 8_000..=48_000u32],
            start in 0..5_000usize,
        ) {
            let input: Vec<f32> = (0..9_000).map(|at| (at as f32 * 0.7).sin() * 0.5).collect();
            let whole = resampled(rate, &input, 333);
            let (mut later, mut out) = (Resampler::starting_at(rate, start as u64), Vec::new());
            later.push(&input[start..], &mut out);
            later.finish(&mut out);
            let first = first_from(rate, start as u64) as usize;
            prop_assert_eq!(first + out.len(), whole.len());
            let full = 2 * (16.0 * f64::from(RATE.max(rate)) / f64::from(rate) / 0.9) as usize;
            prop_assert_eq!(&out[full.min(out.len())..], &whole[(first + full).min(whole.len())..]);
        }

        #[test]
        fn output_length_is_exact_and_piece_size_makes_no_difference(
            rate in 8_000..=48_000u32, count in 0..3_000usize, piece in 1..700usize,
        ) {
            let input = vec![0.25; count];
            let out = resampled(rate, &input, piece);
            let expected = (count as u64 * u64::from(RATE)).div_ceil(u64::from(rate));
            prop_assert_eq!(out.len() as u64, expected);
            prop_assert_eq!(out, resampled(rate, &input, 3_000));
        }
    }
}
