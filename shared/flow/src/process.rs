//! Processing a job: from a delivered task to a finished job, or to one that is put back with its progress kept.

mod checkpoints;
mod cutter;
mod decode_permits;
mod delivery;
mod engine_calls;
mod engine_probe;
mod explain;
mod fenced_writer;
mod file;
mod hourly_log;
mod job_permits;
mod metered;
mod outcome;
mod run;
mod second_pass;
mod segment_rules;
mod sharing;
mod verify;
mod worker;

use domain::{Status, Timestamp};

pub use worker::Worker;

/// The outcome of a delivery. Except for the last three, the stored job says what happens next.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Done(Status),
    Rescheduled {
        due_at: Option<Timestamp>,
    },
    Skipped(Skip),
    OwnerMismatch,
    LeaseHeld {
        until: Timestamp,
    },
    /// This instance has no free permit; nothing was changed.
    Busy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    JobNotFound,
    AlreadyFinished,
    Cancelled,
}
