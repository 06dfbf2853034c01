//! The user whose jobs an operation of the store has written, so that the user's watchers are woken after the commit.

use domain::{Job, Line, Recording, Uid};

use super::store::{Created, Opened, SessionCompleted, Stepped, Withdrawn, Written};

/// The result of an operation that writes jobs of one user.
pub trait WrittenUser {
    /// The user whose jobs were written; `None` if no job was.
    fn uid(&self) -> Option<&Uid>;
}

impl WrittenUser for Created {
    fn uid(&self) -> Option<&Uid> {
        match self {
            Created::New { job, .. } => Some(&job.uid),
            Created::Answered(_) => None,
        }
    }
}

impl WrittenUser for Withdrawn {
    fn uid(&self) -> Option<&Uid> {
        match self {
            Withdrawn::Job { job, .. } | Withdrawn::Cancelled(job) => Some(&job.uid),
        }
    }
}

impl WrittenUser for Opened {
    /// A `Known` job may have been created by the operation.
    fn uid(&self) -> Option<&Uid> {
        match self {
            Opened::Session { job, .. } | Opened::Known(job) => Some(&job.uid),
        }
    }
}

impl WrittenUser for SessionCompleted {
    fn uid(&self) -> Option<&Uid> {
        match self {
            SessionCompleted::Job { job, .. } => Some(&job.uid),
            SessionCompleted::Answered { session, .. } => Some(&session.uid),
            SessionCompleted::Incomplete { .. } | SessionCompleted::Ended(_) | SessionCompleted::NoSuchJob => None,
        }
    }
}

impl WrittenUser for Stepped {
    fn uid(&self) -> Option<&Uid> {
        match self {
            Stepped::Done { job, .. } => Some(&job.uid),
            Stepped::Refused { .. } | Stepped::NoSuchJob => None,
        }
    }
}

impl<T: WrittenUser> WrittenUser for Written<T> {
    fn uid(&self) -> Option<&Uid> {
        match self {
            Written::Done(written) => written.uid(),
            Written::Fenced(_) => None,
        }
    }
}

impl WrittenUser for Job {
    fn uid(&self) -> Option<&Uid> {
        Some(&self.uid)
    }
}

impl WrittenUser for (Job, Recording) {
    fn uid(&self) -> Option<&Uid> {
        Some(&self.0.uid)
    }
}

impl WrittenUser for Vec<Line> {
    fn uid(&self) -> Option<&Uid> {
        self.first().map(|line| &line.uid)
    }
}

impl WrittenUser for Vec<Job> {
    fn uid(&self) -> Option<&Uid> {
        self.first().map(|job| &job.uid)
    }
}
