//! A token bucket: it decides how many deliveries may begin now, and when the next one may.

use std::time::Duration;

use domain::Timestamp;

/// The tokens of one delivery. Tokens are thousandths of a delivery: integers, so that no rounding
/// errors add up.
const ONE: u64 = 1000;
/// A full bucket holds the deliveries of this fraction of a second, as the queues in the cloud do (500
/// a second, bursts of 100).
const BURST_PART: u64 = 5;

#[derive(Debug)]
pub struct Bucket {
    /// Deliveries a second, which equals tokens a millisecond.
    rate: u64,
    tokens: u64,
    filled: Timestamp,
}

impl Bucket {
    pub fn full(per_second: u32, now: Timestamp) -> Self {
        let rate = u64::from(per_second.max(1));
        Self { rate, tokens: capacity(rate), filled: now }
    }

    /// Takes the tokens of one delivery, or returns how long to wait until there are enough.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Duration> {
        self.fill(now);
        match self.tokens.checked_sub(ONE) {
            Some(rest) => {
                self.tokens = rest;
                Ok(())
            }
            None => Err(Duration::from_millis((ONE - self.tokens).div_ceil(self.rate))),
        }
    }

    fn fill(&mut self, now: Timestamp) {
        // A clock that was set back adds no tokens; counting continues from the new time.
        let passed = u64::try_from(self.filled.until(now).as_millis()).unwrap_or(u64::MAX);
        self.tokens = self.tokens.saturating_add(passed.saturating_mul(self.rate)).min(capacity(self.rate));
        self.filled = now;
    }
}

fn capacity(rate: u64) -> u64 {
    (rate * ONE / BURST_PART).max(ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes all tokens. Returns how many deliveries those were, and how long to wait for the next.
    fn drain(bucket: &mut Bucket, now: Timestamp) -> (u32, Duration) {
        let mut taken = 0;
        loop {
            match bucket.take(now) {
                Ok(()) => taken += 1,
                Err(wait) => return (taken, wait),
            }
        }
    }

    #[test]
    fn bucket_gives_its_rate_per_second_after_one_burst() {
        let mut now = Timestamp::from_secs(1000);
        let mut bucket = Bucket::full(500, now);
        assert_eq!(drain(&mut bucket, now), (100, Duration::from_millis(2)));
        let mut taken = 0;
        for _ in 0..500 {
            now = now + Duration::from_millis(2);
            taken += drain(&mut bucket, now).0;
        }
        assert_eq!(taken, 500);
        assert_eq!(drain(&mut bucket, now + Duration::from_secs(3600)).0, 100);
    }

    #[test]
    fn slow_rate_gives_one_at_a_time_and_returns_the_wait() {
        let now = Timestamp::from_secs(1000);
        let mut bucket = Bucket::full(3, now);
        assert_eq!(drain(&mut bucket, now), (1, Duration::from_millis(334)));
        assert_eq!(drain(&mut bucket, now + Duration::from_millis(333)).0, 0);
        assert_eq!(drain(&mut bucket, now + Duration::from_millis(334)).0, 1);
    }

    #[test]
    fn clock_set_back_neither_fills_nor_stops_bucket() {
        let now = Timestamp::from_secs(1000);
        let mut bucket = Bucket::full(1, now);
        assert_eq!(drain(&mut bucket, now).0, 1);
        let before = now - Duration::from_secs(500);
        assert_eq!(drain(&mut bucket, before), (0, Duration::from_secs(1)));
        assert_eq!(drain(&mut bucket, before + Duration::from_secs(1)).0, 1);
    }
}
