//! Several crates in one process, over in-memory adapters: where a test has to hold an engine or a doorkeeper in its hand.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod admission;
mod archive;
mod clock_ahead;
mod digests;
mod door;
mod engine_trouble;
mod events;
mod follow;
mod forgetting;
mod inline_search;
mod languages;
mod late_engine;
mod levels;
mod outage;
mod parallel;
mod places;
mod script;
mod slow_sweep;
mod stage;
mod turns;
