//! Processing a job: from a delivered task to a finished job, or back to the queue with its progress kept.

mod checkpoints;
mod cutter;
mod decode_permits;
mod delivery;
mod engine_calls;
mod engine_probe;
mod fenced_writer;
mod job_permits;
mod listen;
mod metered;
mod outcome;
mod reminders;
mod run;
mod segment_rules;
mod segments;
mod sharing;
mod verify;
mod worker;

use domain::{Status, Timestamp};

pub use worker::Worker;

/// What a delivery came to. The job's document says what is next in every case but the last three.
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
    /// This instance is saturated; nothing was touched.
    Busy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    JobNotFound,
    AlreadyFinished,
    Cancelled,
}
