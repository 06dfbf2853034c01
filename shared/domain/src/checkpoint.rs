//! A checkpoint lets the next delivery continue listening to a file where the last one stopped. The job records how far
//! listening came; the bytes are stored next to the job, because the job itself is read and written all the time.

use crate::command::Refusal;
use crate::invalid_write::InvalidWrite;
use crate::job::Job;
pub use crate::listened::Listened;
use crate::transition::{Context, check_fence, extend_lease, later_than};

/// The largest checkpoint in bytes; a store refuses a larger one.
pub const MAX_CHECKPOINT_BYTES: usize = 64 * 1024;

/// A checkpoint as a worker writes it, under its fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub fence: u64,
    pub index: usize,
    pub rules: u32,
    pub place: u32,
    pub bytes: Vec<u8>,
}

impl Checkpoint {
    /// Refuses a checkpoint that is too large for a store.
    pub fn check(&self) -> Result<(), InvalidWrite> {
        if self.bytes.len() <= MAX_CHECKPOINT_BYTES { Ok(()) } else { Err(InvalidWrite::LongCheckpoint) }
    }
}

/// Records in the job how far the checkpoint of a file has come.
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

/// The indices of the files whose checkpoints are deleted with this step: all of them when the job ends, otherwise none.
pub fn files_that_forget(before: &Job, after: &Job) -> Vec<usize> {
    let ends = after.status.is_terminal() && !before.status.is_terminal();
    if ends { after.files_with_checkpoints().collect() } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoint_above_the_limit_is_refused() {
        let checkpoint = |bytes| Checkpoint { fence: 1, index: 0, rules: 1, place: 1, bytes: vec![0; bytes] };
        assert_eq!(checkpoint(MAX_CHECKPOINT_BYTES).check(), Ok(()));
        assert_eq!(checkpoint(MAX_CHECKPOINT_BYTES + 1).check(), Err(InvalidWrite::LongCheckpoint));
    }
}
