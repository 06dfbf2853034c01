//! What a delivery leaves to the next one of a file that it could not hear to its end. The job says how far listening came;
//! the bytes stand beside the job, because a job is read and written all the time.

use serde::{Deserialize, Serialize};

use crate::command::Refusal;
use crate::job::Job;
use crate::transition::{Context, check_fence, extend_lease, later_than};

/// The longest checkpoint: a store refuses more.
pub const MAX_CHECKPOINT_BYTES: usize = 64 * 1024;

/// How far listening to a file has come in its job, as its checkpoints say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listened {
    /// The version of the rules by which the file was listened to: places of two versions cannot be compared.
    pub rules: u32,
    /// A number that grows along the recording, over both passes.
    pub place: u32,
    /// How often a checkpoint went further than every one before it.
    pub advances: u32,
}

impl Listened {
    /// The file has no checkpoint.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// An older version of the rules never counts as further: two versions at work by turns come to an end.
    fn go_to(&mut self, rules: u32, place: u32) {
        if (rules, place) > (self.rules, self.place) {
            (self.rules, self.place) = (rules, place);
            self.advances = self.advances.saturating_add(1);
        }
    }
}

/// A checkpoint as a worker writes it, under its fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub fence: u64,
    pub index: usize,
    pub rules: u32,
    pub place: u32,
    pub bytes: Vec<u8>,
}

/// The job with a file's checkpoint beside it.
pub fn save_checkpoint(mut job: Job, checkpoint: &Checkpoint, ctx: Context<'_>) -> Result<Job, Refusal> {
    check_fence(&job, checkpoint.fence)?;
    let Some(file) = job.files.get_mut(checkpoint.index) else {
        return Err(Refusal::Fenced { fence: job.lease.fence });
    };
    file.listened.go_to(checkpoint.rules, checkpoint.place);
    extend_lease(&mut job, ctx.now, ctx.rules);
    job.updated_at = later_than(job.updated_at, ctx);
    Ok(job)
}

/// The files whose checkpoints go with this step: those of a job that ends with it.
pub fn files_that_forget(before: &Job, after: &Job) -> Vec<usize> {
    let ends = after.status.is_terminal() && !before.status.is_terminal();
    if ends { after.files_with_checkpoints().collect() } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_checkpoint_that_goes_further_is_an_advance() {
        let mut listened = Listened::default();
        let mut advances = Vec::new();
        for (rules, place) in [(1, 1), (1, 1), (1, 3), (1, 2), (2, 1), (1, 9), (2, 1), (2, 2)] {
            listened.go_to(rules, place);
            advances.push(listened.advances);
        }
        assert_eq!(advances, [1, 1, 2, 2, 3, 3, 3, 4]);
        assert_eq!((listened.rules, listened.place), (2, 2));
    }

    #[test]
    fn a_file_of_a_job_that_was_stored_before_there_were_checkpoints_has_none() {
        assert!(Listened::default().is_nothing());
        assert!(!Listened { rules: 1, ..Listened::default() }.is_nothing());
    }
}
