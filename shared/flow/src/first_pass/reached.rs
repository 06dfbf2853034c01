//! What the thread that listens leaves behind at each fixed moment, for a delivery that ends before it does.

use std::sync::{Arc, Mutex, PoisonError};

use audio::Moments;
use domain::checkpoint::MAX_CHECKPOINT_BYTES;

/// Room for what names the bytes and the rules that a checkpoint is of.
pub const ENVELOPE: usize = 16;

/// How far a file has come. Shared by the thread that listens or cuts and by the delivery that it works for.
#[derive(Clone, Default)]
pub struct LatestProgress(Arc<Mutex<Option<Reached>>>);

/// A place in a file, and what it takes to go on there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// As [`audio::Progress::place`] has it.
    pub place: u32,
    pub packed: Vec<u8>,
}

impl LatestProgress {
    /// What is too long for a checkpoint leaves the one before it: that is further back, and as good.
    pub fn at(&self, place: u32, packed: Vec<u8>) {
        if ENVELOPE + packed.len() <= MAX_CHECKPOINT_BYTES {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reached { place, packed });
        }
    }

    /// The recording's plan is made; whoever cuts it later begins at one of these moments.
    pub fn listened(&self, moments: &Moments) {
        if !moments.is_empty() {
            let listened = audio::Progress::listened(moments.clone());
            self.at(listened.place(), listened.pack());
        }
    }

    pub fn take(&self) -> Option<Reached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
