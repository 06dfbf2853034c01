//! The functions of Google Cloud as programs, over emulators and stand-ins: what ends in a conversation there has to end
//! in the same one here.

#![allow(clippy::unwrap_used, reason = "a panic is the message of a test")]

mod cost;
mod doctor;
mod faults;
mod journey;
mod lambda;
mod moving;
mod sessions;
mod starts;
