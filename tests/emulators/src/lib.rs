//! What plays Google Cloud in tests: emulators of Google's and others, started and stopped here, and stand-ins.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

pub mod storage;
