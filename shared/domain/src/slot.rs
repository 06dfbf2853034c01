//! The slots of a user: which jobs use them, and which waiting jobs get the free ones.

use crate::command::Command;
use crate::decision::{Decided, JobChange, Writes};
use crate::id::JobId;
use crate::job::Job;
use crate::time::Timestamp;
use crate::transition::{At, apply};

/// How a job takes part in the use of its user's slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotUse {
    Held,
    /// The job is in line for a slot.
    Waiting,
}

impl SlotUse {
    pub fn of(job: &Job) -> Option<Self> {
        match (job.holds_slot(), job.waits_for_slot()) {
            (true, _) => Some(Self::Held),
            (_, true) => Some(Self::Waiting),
            _ => None,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Waiting => "waiting",
        }
    }
}

/// The key by which waiting jobs of a user get slots: the job with the oldest recording is first.
pub fn order(job: &Job) -> (Timestamp, Timestamp, JobId) {
    (job.oldest_captured_at, job.created_at, job.id)
}

/// How many slots are held after a step of one job, if `held` were held before it.
pub fn held_after(held: u32, before: &Job, after: &Job) -> u32 {
    held.saturating_sub(u32::from(before.holds_slot())) + u32::from(after.holds_slot())
}

/// Gives the free slots to the first of the waiting jobs, which are sorted by [`order`]. The answer is the promoted jobs.
pub fn promote(waiting: Vec<Job>, held: u32, at: &At<'_>) -> Decided<Vec<Job>> {
    let free = at.rules.free_slots(held) as usize;
    let promoted = |before: Job| {
        let step = apply(&before, &Command::Promote, at.uncounted()).ok()?;
        Some(JobChange { before, job: step.job })
    };
    let changed: Vec<JobChange> = waiting.into_iter().take(free).map_while(promoted).collect();
    let answer = changed.iter().map(|change| change.job.clone()).collect();
    Decided { answer, writes: Writes { changed, ..Writes::default() } }
}

#[cfg(test)]
mod tests;
