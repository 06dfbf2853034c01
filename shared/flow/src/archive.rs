//! Moving house: what users have goes into one file, and out of it into another store, of whatever kind.
//!
//! The file is JSON, a document a line. First a header, then for each user a line with the name and the records that are
//! the user's, in the order of [`Place`](crate::ports::archive::Place); last a line that says how many there are and what
//! all lines before it hash to. A file that was cut off, or edited, imports nothing.

mod export;
mod file;
mod format;
mod import;
mod reader;

use std::io;
use std::path::PathBuf;

use domain::{Status, Uid};

use crate::ports::JobStats;

pub use export::{export, export_to};
pub use format::{Header, Tally};
pub use import::{Report, import, import_from};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("line {line}: {why}; nothing was imported")]
    Damaged { line: u64, why: String },
    #[error("user {0} is not in this file; nothing was imported")]
    NotInFile(Uid),
    #[error("user {0} has nothing here; nothing was exported")]
    HasNothing(Uid),
    #[error("{}: there is a file already; an export never replaces one", .0.display())]
    Exists(PathBuf),
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: io::Error },
    #[error("the file cannot be read or written")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] crate::Error),
}

pub type Result<T> = std::result::Result<T, Error>;

/// What whoever exports is to be told of what is not in the file, in a line.
pub fn left_out(tally: &Tally) -> Option<String> {
    (tally.unreadable > 0).then(|| {
        format!(
            "{} stored documents cannot be read and are not in the file; what can be read is. `admin damaged` shows them, and \
             the log says why",
            tally.unreadable
        )
    })
}

/// Jobs that still have something to do: what they work on is exported as far as it has come, and their audio is not.
pub fn unfinished(job_stats: &JobStats) -> u64 {
    let live = |(status, _): &&(Status, u64)| status.is_live() || *status == Status::Uploading;
    job_stats.by_status.iter().filter(live).map(|(_, jobs)| jobs).sum()
}
