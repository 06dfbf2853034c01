//! Why a batch is refused, as the caller reads it.

use std::time::Duration;

use domain::Code;

use crate::error::Error;

/// A file that is refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    pub file: String,
    pub code: Code,
    pub detail: String,
    /// After this long a recording in the future becomes acceptable.
    pub retry_after: Option<Duration>,
}

#[derive(Debug)]
pub enum Refused {
    /// The batch as a whole is refused.
    Batch { code: Code, detail: String, retry_after: Option<Duration> },
    /// These files are refused; nothing of the batch is kept.
    Files(Vec<BadFile>),
    /// The blob store or the job store failed. Staged blobs are deleted, or left to the orphan rule if a job may own them.
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
