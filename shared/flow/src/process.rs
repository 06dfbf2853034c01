//! Processing a job: from a delivered task to a finished job, or to one that is put back with its progress kept.

mod call_length;
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

use std::time::Duration;

use domain::{Status, Timestamp};

pub use worker::Worker;

/// The most time that is kept for ending a delivery in order: it stores how far it came, puts the job back and creates
/// the next task.
const MOST_TIME_TO_END: Duration = Duration::from_secs(20);

/// How long a delivery may work if its host ends it after this time, whatever it is doing then.
pub fn time_for_work(time: Duration) -> Duration {
    time - (time / 4).min(MOST_TIME_TO_END)
}

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
