//! Counts how much audio this process has decoded, which shows audio that is decoded twice.

use std::sync::atomic::{AtomicU64, Ordering};

static DECODED_MS: AtomicU64 = AtomicU64::new(0);

/// The audio decoded since the process began, for any purpose. A reader's share is added when the reader is dropped.
pub fn decoded_ms() -> u64 {
    DECODED_MS.load(Ordering::Relaxed)
}

/// Counts the audio that one reader of a recording decodes.
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
