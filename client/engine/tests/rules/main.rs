//! The rules R1 to R43, each with a test that is named after it, over the whole engine: virtual time, a disk that forgets, and
//! a server whose answers the test chooses. Rules that are pure functions have their tables of cases beside them.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod accounts;
#[path = "../simulation/clock.rs"]
#[expect(dead_code, reason = "the simulation needs more of it")]
mod clock;

mod cooldowns;
#[path = "../simulation/disk.rs"]
#[expect(dead_code, reason = "the simulation needs more of it")]
mod disk;
mod files;
mod harness;
mod import;
mod index;
mod passes;
#[path = "../simulation/random.rs"]
#[expect(dead_code, reason = "the simulation needs more of it")]
mod random;
mod reconcile;
mod recording;
mod sessions;
mod uploads;
