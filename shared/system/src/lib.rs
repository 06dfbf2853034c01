//! The system clock and the system's random numbers, behind the ports of `flow`, for which tests use their own; and what the
//! commands of all programs print.

mod clock;
mod random;

pub use clock::{BUILT_AT, SystemClock};
pub use random::{SystemRandom, secret_bytes};
pub use terminal::output;
