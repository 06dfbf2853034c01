//! When a job is asked for again (R30).

use std::time::Duration;

const STEPS: [u64; 6] = [20, 20, 30, 45, 60, 120];
/// No server may ask for a longer wait: a body that is garbage must not stall a job.
const LONGEST: Duration = Duration::from_secs(3600);

/// The wait before the request number `step` (from 0), or what the server asks for if that is longer.
pub fn wait(step: u32, poll_after_ms: Option<u64>) -> Duration {
    let seconds = STEPS[(step as usize).min(STEPS.len() - 1)];
    let asked = Duration::from_millis(poll_after_ms.unwrap_or(0)).min(LONGEST);
    Duration::from_secs(seconds).max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r30_jobs_are_asked_for_less_and_less_often() {
        let waits: Vec<_> = (0..8).map(|step| wait(step, Some(3000)).as_secs()).collect();
        assert_eq!(waits, [20, 20, 30, 45, 60, 120, 120, 120]);
        assert_eq!(wait(0, Some(90_000)), Duration::from_secs(90));
        assert_eq!(wait(5, Some(u64::MAX)), LONGEST);
        assert_eq!(wait(u32::MAX, None), Duration::from_secs(120));
    }
}
