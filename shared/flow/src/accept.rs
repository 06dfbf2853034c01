//! Accepting a batch: files are checked and staged while they stream in, then one transaction creates the job.
//!
//! A batch is accepted as a whole or not at all. The first bad file stops the staging; the rest is read only to report
//! every bad file, and the staged blobs are deleted. If the outcome of the commit is unknown, nothing is deleted,
//! because a job may own the blobs.

mod check;
mod commit;
mod intake;
mod refusal;
mod search;

pub use check::{BatchOptions, PartHeaders, parse_terms, shown};
pub(crate) use check::{Checked, check_file};
pub use commit::Accepted;
pub use intake::Intake;
pub use refusal::{BadFile, Refused};
pub use search::Search;
