//! Randomness from a seed: the same seed replays the same run.

use std::sync::atomic::{AtomicU64, Ordering};

use flow::ports::Random;
use uuid::{Builder, Uuid};

/// SplitMix64: small, and good enough for tests. Calls from several threads share the sequence.
#[derive(Debug)]
pub struct SeededRandom {
    state: AtomicU64,
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl SeededRandom {
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed) }
    }

    pub fn next(&self) -> u64 {
        let mut z = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound - 1`.
    pub fn below(&self, bound: usize) -> usize {
        assert!(bound > 0, "there is nothing below 0");
        (self.next() % bound as u64) as usize
    }

    /// True once in `n` calls, on average.
    pub fn one_in(&self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub fn shuffle<T>(&self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

impl Random for SeededRandom {
    fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next().to_le_bytes());
        bytes[8..].copy_from_slice(&self.next().to_le_bytes());
        Builder::from_random_bytes(bytes).into_uuid()
    }

    fn unit(&self) -> f64 {
        // 53 bits are what an f64 holds.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_the_same_sequence() {
        let (one, two) = (SeededRandom::new(7), SeededRandom::new(7));
        assert_eq!([one.uuid(), one.uuid()], [two.uuid(), two.uuid()]);
        assert_ne!(one.uuid(), SeededRandom::new(8).uuid());
    }

    #[test]
    fn values_stay_within_bounds() {
        let random = SeededRandom::new(1);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.unit())));
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert_eq!(random.uuid().get_version_num(), 4);
    }
}
