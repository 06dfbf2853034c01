//! Accepting a batch: files are checked and staged while they stream in, then one transaction makes the job.
//!
//! A batch is whole or nothing: the first bad file stops the staging, the rest is only read to name every bad file, and
//! what was staged is deleted. When the outcome of the commit is unknown, nothing is deleted: a job may own it.

mod check;
mod commit;
mod intake;
mod refusal;
mod search;

pub(crate) use check::{Checked, check_file};
pub use check::{PartHeaders, Terms, parse_terms, shown};
pub use commit::Accepted;
pub use intake::Intake;
pub use refusal::{BadFile, Refused};
pub use search::Search;
