//! The Google Cloud functions as programs, over emulators and stand-ins: a recording must end in the same conversation
//! as on Google Cloud.

#![allow(clippy::unwrap_used, reason = "a panic is the message of a test")]

mod cost;
mod doctor;
mod faults;
mod journey;
mod lambda;
mod lambda_events;
mod moving;
mod parallel_uploads;
mod push;
mod sessions;
mod starts;
