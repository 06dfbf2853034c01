//! Whose jobs an operation of the store has written: their watchers are woken after the commit.

use domain::{Job, Line, Recording, Uid};

use super::store::{Created, Opened, SessionCompleted, Stepped, Written};

/// The answer of an operation that writes jobs, of one user each.
pub trait OfUser {
    /// `None` when no job was written.
    fn uid(&self) -> Option<&Uid>;
}

impl OfUser for Created {
    fn uid(&self) -> Option<&Uid> {
        match self {
            Created::New { job, .. } => Some(&job.uid),
            Created::Answered(_) => None,
        }
    }
}

impl OfUser for Opened {
    /// What is known may have been born with the answer.
    fn uid(&self) -> Option<&Uid> {
        match self {
            Opened::Session { job, .. } | Opened::Known(job) => Some(&job.uid),
        }
    }
}

impl OfUser for SessionCompleted {
    fn uid(&self) -> Option<&Uid> {
        match self {
            SessionCompleted::Job { job, .. } => Some(&job.uid),
            SessionCompleted::Answered { session, .. } => Some(&session.uid),
            SessionCompleted::Incomplete { .. } | SessionCompleted::Ended(_) | SessionCompleted::NoSuchJob => None,
        }
    }
}

impl OfUser for Stepped {
    fn uid(&self) -> Option<&Uid> {
        match self {
            Stepped::Done { job, .. } => Some(&job.uid),
            Stepped::Refused { .. } | Stepped::NoSuchJob => None,
        }
    }
}

impl<T: OfUser> OfUser for Written<T> {
    fn uid(&self) -> Option<&Uid> {
        match self {
            Written::Done(written) => written.uid(),
            Written::Fenced(_) => None,
        }
    }
}

impl OfUser for Job {
    fn uid(&self) -> Option<&Uid> {
        Some(&self.uid)
    }
}

impl OfUser for (Job, Recording) {
    fn uid(&self) -> Option<&Uid> {
        Some(&self.0.uid)
    }
}

impl OfUser for Vec<Line> {
    fn uid(&self) -> Option<&Uid> {
        self.first().map(|line| &line.uid)
    }
}

impl OfUser for Vec<Job> {
    fn uid(&self) -> Option<&Uid> {
        self.first().map(|job| &job.uid)
    }
}
