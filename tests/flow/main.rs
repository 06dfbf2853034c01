//! Tests of several crates in one process, over in-memory adapters, where a test has to control an engine or an
//! admission policy.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

mod admission;
mod archive;
mod clock_ahead;
mod clock_guard;
mod digests;
mod doubtful_creation;
mod engine_trouble;
mod events;
mod forgetting;
mod harness;
mod inline_search;
mod job_changes;
mod job_permits;
mod languages;
mod late_engine;
mod levels;
mod outage;
mod parallel;
mod script;
mod slow_engine;
mod slow_sweep;
mod upload_server;
mod user_slots;
