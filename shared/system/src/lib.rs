//! What a program has of its machine: the clock and random numbers behind the ports of `flow`, for which tests use their own;
//! signals, files that are complete or not there, and what the commands of all programs print.

mod clock;
pub mod durable;
mod end_request;
mod interrupt;
mod new_file;
mod random;

pub use clock::{BUILT_AT, SystemClock};
pub use end_request::{Stop, StoppableFile, Stopped, Unfinished};
pub use interrupt::Interrupt;
pub use new_file::{NewFile, NewFileError, is_full, is_hidden, remove_stale};
pub use random::{SystemRandom, secret_bytes};
pub use terminal::output;
