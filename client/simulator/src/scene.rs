//! What a life takes place in.

use std::time::Duration;

use engine::domain::FrameFormat;

use crate::backend::Backend;
use crate::random::Seeded;

/// What a life takes place in.
pub struct Scene {
    /// Makes the backend of a life.
    pub backend: fn(Seeded) -> Box<dyn Backend>,
    pub sound: Sound,
    /// The fewest and the most things that happen.
    pub happenings: (u64, u64),
    /// The longest recording, in seconds.
    pub longest: u64,
    /// How long everything may take to come to its end, for each account.
    pub patience: Duration,
}

/// The sound that the device records.
#[derive(Clone, Copy)]
pub struct Sound {
    pub format: FrameFormat,
    /// The length of a frame.
    pub frame: Duration,
    /// A frame of this number and owner. Its first eight bytes are the number, lowest byte first.
    pub payload: fn(u64, &str, &Seeded) -> Vec<u8>,
}
