//! The ports over the standard library. Only HTTP, credentials and the device come from the app.

mod block_on;
mod clock;
mod disk;
mod random;

pub use block_on::block_on;
pub use clock::SystemClock;
pub use disk::SystemDisk;
pub use random::SystemRandom;
