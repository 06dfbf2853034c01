//! The progress that a decoding thread leaves at fixed positions, for a delivery that ends before the thread does.

use std::sync::{Arc, Mutex, PoisonError};

use audio::RestartPoints;
use domain::checkpoint::MAX_CHECKPOINT_BYTES;

/// The bytes that a checkpoint needs to identify the file and the rules that it belongs to.
pub const ENVELOPE: usize = 16;

/// The latest progress of a file. It is shared by the thread that listens or cuts and the delivery that it works for.
#[derive(Clone, Default)]
pub struct LatestProgress(Arc<Mutex<Option<Reached>>>);

/// A position in a file, and the packed state that is needed to continue there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The position as [`audio::Progress::place`] gives it.
    pub place: u32,
    pub packed: Vec<u8>,
}

impl LatestProgress {
    /// Records a position. If it is too large for a checkpoint, the one before it is kept; it is less far but just as
    /// valid.
    pub fn at(&self, place: u32, packed: Vec<u8>) {
        if ENVELOPE + packed.len() <= MAX_CHECKPOINT_BYTES {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Reached { place, packed });
        }
    }

    /// Records that the recording is planned. The second pass can begin at any of these positions.
    pub fn listened(&self, points: &RestartPoints) {
        if !points.is_empty() {
            let listened = audio::Progress::listened(points.clone());
            self.at(listened.place(), listened.pack());
        }
    }

    pub fn take(&self) -> Option<Reached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
