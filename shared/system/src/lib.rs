//! The machine's own clock and randomness, for every program that is not a test.

mod clock;
mod random;

pub use clock::SystemClock;
pub use random::{SystemRandom, secret_bytes};
