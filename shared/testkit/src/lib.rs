//! Test support for every crate: in-memory adapters of all ports, injected faults, one contract suite for each port,
//! and builders of test data.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

pub mod admission;
pub mod build;
pub mod clock;
pub mod contract;
pub mod fault_injection;
pub mod ggml;
pub mod harness;
pub mod memory;
pub mod provider;
pub mod races;
pub mod random;
pub mod skip;
pub mod snapshot;
pub mod wer;

pub use clock::TestClock;
pub use fault_injection::{FailsBefore, LosesAnswers};
pub use harness::Harness;
pub use provider::Provider;
pub use random::SeededRandom;
