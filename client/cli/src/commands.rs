//! The commands, a file each.

pub mod cancel;
pub mod completions;
pub mod doctor;
mod each_job;
pub mod import_wals;
mod job_words;
pub mod jobs;
pub mod log_in;
pub mod log_out;
pub mod man;
mod print;
pub mod push;
pub mod rebuild;
pub mod record;
pub mod retry;
pub mod show;
pub mod status;
pub mod transcripts;
pub mod watch;
