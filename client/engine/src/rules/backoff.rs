//! When something that failed is tried again (R23).

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const FIRST: [Duration; 4] =
    [SECOND.saturating_mul(5), SECOND.saturating_mul(10), SECOND.saturating_mul(20), SECOND.saturating_mul(60)];
/// The longest delay without its jitter.
pub const LONGEST: Duration = Duration::from_secs(30 * 60);
/// A delay is longer or shorter by at most this part, so that devices do not come back together.
const JITTER: f64 = 0.2;
/// The retry budget of a recording.
pub const BUDGET: u32 = 3;
/// Server retries of blame `service` for a recording (R24).
pub const SERVER_RETRIES: u32 = 3;
/// After its server retries are used up, a recording is tried again after this long (R24).
pub const SHOWN_AND_RETRIED: Duration = Duration::from_secs(24 * 3600);
/// Rows whose budget is used up are given a new one this often (R23).
pub const REARM_EVERY: Duration = Duration::from_secs(6 * 3600);
/// No rule sets a time further ahead than this. A stored time beyond it was written by a clock that ran ahead.
pub const FURTHEST: Duration = Duration::from_secs(25 * 3600);

/// The delay after this many failures (at least one). `random` is from 0 to 1.
pub fn delay(failures: u32, random: f64) -> Duration {
    let index = failures.max(1) as usize - 1;
    let plain = FIRST.get(index).copied().unwrap_or_else(|| {
        let doublings = u32::try_from(index - FIRST.len() + 1).unwrap_or(u32::MAX).min(16);
        FIRST[FIRST.len() - 1].saturating_mul(1 << doublings).min(LONGEST)
    });
    plain.mul_f64(1.0 - JITTER + 2.0 * JITTER * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r23_delays_grow_to_half_an_hour_and_are_jittered() {
        for (failures, seconds) in
            [(0, 5), (1, 5), (2, 10), (3, 20), (4, 60), (5, 120), (6, 240), (9, 1800), (99, 1800)]
        {
            assert_eq!(delay(failures, 0.5), Duration::from_secs(seconds), "{failures}");
            assert_eq!(delay(failures, 0.0), Duration::from_secs(seconds).mul_f64(0.8), "{failures}");
            assert_eq!(delay(failures, 1.0), Duration::from_secs(seconds).mul_f64(1.2), "{failures}");
        }
        assert!(delay(u32::MAX, 1.0) < FURTHEST);
    }
}
