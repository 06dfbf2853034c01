//! The routes of clients that are shipped and cannot be changed: other paths, other names, the same acceptance.
//!
//! They delete their files when a job is `completed` or the answer is 200, and they count what is told as the content's
//! fault. So nothing but `completed` is ever told as that, and what is our fault is never told as theirs.

pub mod accept;
pub mod status;
pub mod view;
pub mod wait;

use std::sync::Arc;

use domain::Code;
use edge::Problem;
use flow::Settings;
use flow::accept::Search;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What these routes share: places for searching, and places for waiting.
#[derive(Clone)]
pub struct CompatState {
    search: Search,
    waits: Arc<Semaphore>,
    /// Cancelled when the process is to end: nobody is kept waiting then.
    shutdown: CancellationToken,
}

impl CompatState {
    pub fn of(settings: &Settings, shutdown: CancellationToken) -> Self {
        // More than a semaphore can count is no limit.
        let waits = settings.upload.synchronous_waits.min(Semaphore::MAX_PERMITS);
        Self { search: Search::default(), waits: Arc::new(Semaphore::new(waits)), shutdown }
    }
}

/// The texts and names that these clients look at.
fn in_their_words(problem: Problem) -> Problem {
    match problem.code {
        Code::RecordingTooOld => problem.known_as("backfill_lookback_exceeded"),
        Code::JobNotFound => problem.detail("Sync job not found or expired"),
        Code::NotYourJob => problem.detail("Not authorized to view this sync job"),
        _ => problem,
    }
}
