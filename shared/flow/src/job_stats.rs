//! Gauges that are read from the store when metrics are scraped: the number of jobs, and how long any of them is overdue.

use std::time::Duration;

use domain::Timestamp;
use tokio::sync::Mutex;

use crate::error::Result;
use crate::ports::JobStats;
use crate::services::Services;

/// Scrapes within this time share one query of the store.
const FRESH: Duration = Duration::from_secs(10);

/// Reads the job statistics for one instance: one query at a time, and not too often.
#[derive(Default)]
pub struct JobGauges {
    looked_at: Mutex<Option<Timestamp>>,
}

impl JobGauges {
    /// Updates the gauges if they are not fresh. If the store does not answer they stay as they are, and the store is not
    /// queried again before `FRESH` has passed.
    pub async fn refresh(&self, services: &Services) -> Result<()> {
        // Concurrent callers wait for this same query.
        let mut looked_at = self.looked_at.lock().await;
        let now = services.now();
        if looked_at.is_some_and(|before| before <= now && !now.has_reached(before + FRESH)) {
            return Ok(());
        }
        *looked_at = Some(now);
        show(&services.store.job_stats(now).await?, now);
        Ok(())
    }
}

fn show(job_stats: &JobStats, now: Timestamp) {
    for (status, jobs) in &job_stats.by_status {
        metrics::gauge!("afterword_jobs", "status" => status.as_str()).set(*jobs as f64);
    }
    let age = job_stats.oldest_due.map_or(Duration::ZERO, |due| due.until(now));
    metrics::gauge!("afterword_oldest_due_job_age_seconds").set(age.as_secs_f64());
    metrics::gauge!("afterword_jobs_effects_due").set(job_stats.effects_due as f64);
    for (waiting_for, jobs) in &job_stats.waiting {
        metrics::gauge!("afterword_jobs_waiting", "for" => waiting_for.as_str()).set(*jobs as f64);
    }
    let age = job_stats.oldest_unfinished.map_or(Duration::ZERO, |created_at| created_at.until(now));
    metrics::gauge!("afterword_oldest_unfinished_job_age_seconds").set(age.as_secs_f64());
}
