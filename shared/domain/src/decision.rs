//! What a rule decides about an operation of the store: the answer, and what the store writes before it gives the answer.

use crate::command::{Action, Refusal};
use crate::job::Job;
use crate::recording::Recording;

/// An answer, and the writes that have to be done before it is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided<T> {
    pub answer: T,
    pub writes: Writes,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writes {
    /// The recordings, in the order in which they were read.
    pub recordings: Vec<Recording>,
    pub changed: Vec<JobChange>,
    /// A job that does not exist yet.
    pub created: Option<Job>,
}

/// A stored job, and the job to be written in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct JobChange {
    pub before: Job,
    pub job: Job,
}

impl<T> Decided<T> {
    /// An answer for which nothing is written.
    pub fn without_writes(answer: T) -> Self {
        Self { answer, writes: Writes::default() }
    }
}

/// The result of creating a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Created {
    /// A new job, or the same job created before. Its recordings are linked to it.
    New { job: Job, deduplicated: bool },
    /// Another job has all of the batch's recordings. Nothing was written.
    Answered(Job),
}

/// The result of withdrawing a batch whose creation has an unknown outcome.
#[derive(Clone, Debug, PartialEq)]
pub enum Withdrawn {
    /// The batch had become a job, which stays.
    Job { job: Job, deduplicated: bool },
    /// The batch can no longer become a job. In its place there is a cancelled one, whose effect deletes the audio.
    Cancelled(Job),
}

/// The result of opening an upload session.
#[derive(Clone, Debug, PartialEq)]
pub enum Opened {
    /// A new session or the one that is already open for these files, and the sessions that were ended to make room for it.
    /// The effects of the latter are due.
    Session { job: Job, ended: Vec<Job> },
    /// Every recording is known: the job that has them, or a new job that is finished already.
    Known(Job),
}

/// The result of completing an upload session.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionCompleted {
    /// The session is a job now, or was one before. Its recordings are linked to it.
    Job { job: Job, deduplicated: bool },
    /// Another job has its recordings. The session is ended, now or before, and its effects are due.
    Answered { by: Box<Job>, session: Job },
    /// These files are not completely uploaded. Nothing was written.
    Incomplete { job: Job, missing: Vec<usize> },
    /// The session expired or was cancelled.
    Ended(Job),
    /// There is no such session, or the other job that has its recordings was deleted.
    NoSuchJob,
}

/// The result of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Stepped {
    /// The job after the command, the actions to be done now, and the user's jobs that got a slot.
    Done {
        job: Job,
        actions: Vec<Action>,
        promoted: Vec<Job>,
    },
    Refused {
        job: Job,
        why: Refusal,
    },
    NoSuchJob,
}

/// The result of a worker's write.
#[derive(Clone, Debug, PartialEq)]
pub enum Written<T> {
    Done(T),
    /// The worker lost the job, or the job has ended or does not exist (fence 0). The worker stops at once.
    Fenced(Refusal),
}

impl<T> Written<T> {
    /// The answer to a worker whose job, or whose file, no longer exists.
    pub fn gone() -> Self {
        Self::Fenced(Refusal::Fenced { fence: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_to_a_missing_job_is_refused() {
        assert_eq!(Written::<()>::gone(), Written::Fenced(Refusal::Fenced { fence: 0 }));
    }

    #[test]
    fn read_only_decision_writes_no_document() {
        assert_eq!(Decided::without_writes(7), Decided { answer: 7, writes: Writes::default() });
    }
}
