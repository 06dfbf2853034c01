//! The rules R1 to R43, each with a test that is named after it, over the whole engine: virtual time, a disk that forgets, and
//! a server whose answers the test chooses. Rules that are pure functions have their tables of cases beside them.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod accounts;
mod cooldowns;
mod files;
mod harness;
mod import;
mod index;
mod passes;
mod reconcile;
mod recording;
mod sessions;
mod uploads;
