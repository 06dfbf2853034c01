//! The texts that a worker stores for the segments of its job, before they are placed.

use crate::command::{Command, Refusal};
use crate::invalid_write::InvalidWrite;
use crate::job::Job;
use crate::line::Line;
use crate::placement::MAX_GROUP;
use crate::transition::{At, apply};

/// Refuses more lines than a transaction may have, and lines of recordings that are not the job's.
pub fn check(job: &Job, lines: &[Line]) -> Result<(), InvalidWrite> {
    let is_of_job = |line: &Line| line.uid == job.uid && job.files.iter().any(|file| file.recording == line.recording);
    if lines.len() <= MAX_GROUP && lines.iter().all(is_of_job) { Ok(()) } else { Err(InvalidWrite::Lines) }
}

/// The job after its worker has stored texts: for the job, that is the same as a renewal of its lease.
pub fn renew(job: &Job, fence: u64, at: &At<'_>) -> Result<Job, Refusal> {
    apply(job, &Command::Renew { fence }, at.uncounted()).map(|step| step.job)
}

/// Whether the lease is old enough for a renewal that costs a write. It must be early enough: the worker counts its write
/// as a renewal, and makes the next one `renew_after` from now.
pub fn wants_renewal(job: &Job, at: &At<'_>) -> bool {
    let fresh = at.rules.lease.saturating_sub(at.rules.renew_after / 2);
    job.lease.until.is_none_or(|until| at.now.until(until) <= fresh)
}

/// The start times of segments in order of time, each once.
pub fn in_order(starts: &[u32]) -> Vec<u32> {
    let mut starts = starts.to_vec();
    starts.sort_unstable();
    starts.dedup();
    starts
}

#[cfg(test)]
mod tests;
