//! The routes of shipped clients that cannot be changed: they have other paths and names, but accept uploads by the
//! same rules.
//!
//! Shipped clients delete their files when a job is `completed` or the answer is 200, and they count failures that are
//! reported as caused by the content. So only a completed job may be reported as `completed`, and a failure of the
//! server may never be reported as one of the content.

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

/// State that these routes share: permits for searching for speech, and permits for waiting requests.
#[derive(Clone)]
pub struct CompatState {
    search: Search,
    waits: Arc<Semaphore>,
    /// Cancelled when the process shuts down: no request is kept waiting then.
    shutdown: CancellationToken,
}

impl CompatState {
    pub fn of(settings: &Settings, shutdown: CancellationToken) -> Self {
        // A number that is too large for a semaphore means no limit.
        let waits = settings.upload.synchronous_waits.min(Semaphore::MAX_PERMITS);
        Self { search: Search::default(), waits: Arc::new(Semaphore::new(waits)), shutdown }
    }
}

/// Replaces texts and codes by those that shipped clients look at.
fn for_shipped_clients(problem: Problem) -> Problem {
    match problem.code {
        Code::RecordingTooOld => problem.known_as("backfill_lookback_exceeded"),
        Code::JobNotFound => problem.detail("Sync job not found or expired"),
        Code::NotYourJob => problem.detail("Not authorized to view this sync job"),
        _ => problem,
    }
}
