//! Repeated log lines for operators about a job, at most once an hour and not at every delivery.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{JobId, Timestamp};

use crate::alarm::is_recent;

const EVERY: Duration = Duration::from_secs(3600);
/// The most jobs that are remembered. No more are logged within an hour, because they would give the same reason.
const MAX_JOBS: usize = 1000;

/// When each job was last logged. It is kept in memory only, because it merely saves log lines.
#[derive(Default)]
pub struct Reminders {
    logged_at: Mutex<HashMap<JobId, Timestamp>>,
}

impl Reminders {
    /// Whether it is time to log this job. If so, the job counts as logged now.
    pub fn is_time(&self, job: JobId, now: Timestamp) -> bool {
        // The map holds plain times, which stay valid after a panic elsewhere.
        let mut logged_at = self.logged_at.lock().unwrap_or_else(PoisonError::into_inner);
        if logged_at.len() >= MAX_JOBS {
            logged_at.retain(|_, at| is_recent(*at, now, EVERY));
        }
        let full = logged_at.len() >= MAX_JOBS;
        match logged_at.get_mut(&job) {
            Some(at) if !is_recent(*at, now, EVERY) => *at = now,
            None if !full => _ = logged_at.insert(job, now),
            Some(_) | None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(n: u128) -> JobId {
        JobId(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn job_is_logged_once_an_hour() {
        let (reminders, now) = (Reminders::default(), Timestamp::from_secs(1_000_000));
        assert!(reminders.is_time(job(1), now));
        assert!(reminders.is_time(job(2), now), "each job for itself");
        assert!(!reminders.is_time(job(1), now + (EVERY - Duration::from_millis(1))));
        assert!(reminders.is_time(job(1), now + EVERY));
        assert!(!reminders.is_time(job(1), now + EVERY));
    }

    #[test]
    fn clock_that_was_set_back_silences_no_job() {
        let (reminders, now) = (Reminders::default(), Timestamp::from_secs(1_000_000));
        assert!(reminders.is_time(job(1), now + 48 * EVERY));
        assert!(reminders.is_time(job(1), now));
        assert!(!reminders.is_time(job(1), now + EVERY / 2));
        (1..=MAX_JOBS as u128).for_each(|n| _ = reminders.is_time(job(n), now + 48 * EVERY));
        assert!(reminders.is_time(job(5_000), now), "those of the future are forgotten");
    }

    #[test]
    fn many_jobs_do_not_fill_memory_or_the_log() {
        let (reminders, now) = (Reminders::default(), Timestamp::from_secs(1_000_000));
        let logged_at = |now| (0..5_000).filter(|n| reminders.is_time(job(*n), now)).count();
        assert_eq!((logged_at(now), logged_at(now + EVERY / 2), logged_at(now + EVERY)), (MAX_JOBS, 0, MAX_JOBS));
        assert_eq!(reminders.logged_at.lock().unwrap().len(), MAX_JOBS);
    }
}
