//! How much audio this process has decoded: what is decoded twice shows here.

use std::sync::atomic::{AtomicU64, Ordering};

static DECODED_MS: AtomicU64 = AtomicU64::new(0);

/// Audio that was decoded since the process began, whatever for. Counted when whoever decodes it has ended.
pub fn decoded_ms() -> u64 {
    DECODED_MS.load(Ordering::Relaxed)
}

/// Counts what one reader of a recording decodes.
#[derive(Default)]
pub(crate) struct Counter {
    micros: u64,
}

impl Counter {
    pub fn add(&mut self, samples: usize, rate: u32) {
        self.micros += samples as u64 * 1_000_000 / u64::from(rate.max(1));
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        DECODED_MS.fetch_add(self.micros / 1_000, Ordering::Relaxed);
    }
}
