//! Converts times of an answer, in seconds of the file that was sent, to offsets in the audio.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Where the sent file begins, relative to the start of the audio. Negative if it begins earlier.
    starts_at_micros: i64,
    end_ms: u32,
}

impl Times {
    pub fn new(starts_at_micros: i64, duration: Duration) -> Self {
        let end_ms = u32::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u32::MAX);
        Self { starts_at_micros, end_ms }
    }

    /// The offset for a time. It is always within the audio, because casts saturate and the result is clamped.
    pub fn ms(&self, seconds: f64) -> u32 {
        let micros = ((seconds * 1e6).round() as i64).saturating_add(self.starts_at_micros);
        let ms = (micros.max(0) as u64).saturating_add(500) / 1000;
        u32::try_from(ms).unwrap_or(u32::MAX).min(self.end_ms)
    }

    /// A start and an end that is not before it.
    pub fn span(&self, start: f64, end: f64) -> (u32, u32) {
        let start = self.ms(start);
        (start, self.ms(end).max(start))
    }

    /// The start and the end of the audio.
    pub fn whole(&self) -> (u32, u32) {
        (0, self.end_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_the_start_of_the_audio_and_stay_within_it() {
        let times = Times::new(-13_500, Duration::from_millis(2_000));
        assert_eq!(times.ms(0.0135), 0);
        assert_eq!(times.ms(1.0135), 1_000);
        assert_eq!(times.ms(0.0), 0);
        assert_eq!(times.ms(2.5), 2_000);
        assert_eq!(Times::new(6_500, Duration::from_secs(1)).ms(0.1), 107);
        for odd in [-1.0, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(times.ms(odd), 0);
        }
        assert_eq!(times.ms(f64::INFINITY), 2_000);
    }

    #[test]
    fn span_does_not_end_before_it_begins() {
        assert_eq!(Times::new(0, Duration::from_secs(9)).span(2.0, 1.0), (2_000, 2_000));
    }
}
