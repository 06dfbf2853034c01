//! Export and import: the lasting data of users is written to one file, and read from it into another store of any kind.
//!
//! The file has one JSON document a line: first a header, then for each user a line with the name and the user's records in
//! the order of [`RecordKey`](crate::ports::archive::RecordKey), and last a line with the number of records and the hash of all
//! lines before it. A file that was truncated or edited imports nothing.

mod export;
mod format;
mod import;
mod reader;

use std::io;

use domain::{Status, Uid};

use crate::ports::JobStats;

pub use export::export;
pub use format::{Header, Tally};
pub use import::{Report, import};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("line {line}: {why}; nothing was imported")]
    Damaged { line: u64, why: String },
    #[error("user {0} is not in this file; nothing was imported")]
    NotInFile(Uid),
    #[error("user {0} has nothing here; nothing was exported")]
    HasNothing(Uid),
    #[error("the file cannot be read or written")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] crate::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// A line for the operator about stored documents that are not in the file.
pub fn left_out(tally: &Tally) -> Option<String> {
    (tally.unreadable > 0).then(|| {
        format!(
            "{} stored documents cannot be read and are not in the file; what can be read is. `admin damaged` shows them, and \
             the log says why",
            tally.unreadable
        )
    })
}

/// The number of unfinished jobs. Their recordings are exported as far as they have come; their staged audio is not.
pub fn unfinished(job_stats: &JobStats) -> u64 {
    let live = |(status, _): &&(Status, u64)| status.is_live() || *status == Status::Uploading;
    job_stats.by_status.iter().filter(live).map(|(_, jobs)| jobs).sum()
}
