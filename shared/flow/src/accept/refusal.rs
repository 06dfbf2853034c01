//! Why a batch is refused, as the caller reads it.

use std::time::Duration;

use domain::Code;

use crate::error::Error;

/// One file that is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    pub file: String,
    pub code: Code,
    pub detail: String,
    /// For a recording in the future: when it becomes valid.
    pub retry_after: Option<Duration>,
}

#[derive(Debug)]
pub enum Refused {
    /// The batch as a whole.
    Batch { code: Code, detail: String, retry_after: Option<Duration> },
    /// These files; nothing of the batch is kept.
    Files(Vec<BadFile>),
    /// Blobs or the store failed; what was staged is removed, or left to the orphan rule when a job may own it.
    Storage(Error),
}

impl Refused {
    pub fn batch(code: Code, detail: impl Into<String>) -> Self {
        Refused::Batch { code, detail: detail.into(), retry_after: None }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Storage(error)
    }
}
