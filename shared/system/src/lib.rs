//! The system clock and the system's random numbers, behind the ports of `flow`. Tests use their own.

mod clock;
mod random;

pub use clock::SystemClock;
pub use random::{SystemRandom, secret_bytes};
