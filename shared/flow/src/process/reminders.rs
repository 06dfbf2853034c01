//! What a person has to be told about a job again and again while it lasts, but not at every delivery.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{JobId, Timestamp};

const EVERY: Duration = Duration::from_secs(3600);
/// Jobs that are remembered. Of more only these are told of in an hour: the reason is the same.
const MOST: usize = 1000;

/// Kept by an instance, not by the store: it saves log lines, nothing rests on it.
#[derive(Default)]
pub struct Reminders {
    answer_after_now: Mutex<HashMap<JobId, Timestamp>>,
}

impl Reminders {
    /// Whether it is time to tell of this job; if so, it was told.
    pub fn is_time(&self, job: JobId, now: Timestamp) -> bool {
        // A panic elsewhere leaves plain moments behind: still fit for use.
        let mut answer_after_now = self.answer_after_now.lock().unwrap_or_else(PoisonError::into_inner);
        if answer_after_now.len() >= MOST {
            answer_after_now.retain(|_, at| !now.has_reached(*at + EVERY));
        }
        let full = answer_after_now.len() >= MOST;
        match answer_after_now.get_mut(&job) {
            Some(at) if now.has_reached(*at + EVERY) => *at = now,
            None if !full => _ = answer_after_now.insert(job, now),
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
    fn a_job_is_told_of_once_an_hour() {
        let (reminders, now) = (Reminders::default(), Timestamp::from_secs(1_000_000));
        assert!(reminders.is_time(job(1), now));
        assert!(reminders.is_time(job(2), now), "each job for itself");
        assert!(!reminders.is_time(job(1), now + (EVERY - Duration::from_millis(1))));
        assert!(reminders.is_time(job(1), now + EVERY));
        assert!(!reminders.is_time(job(1), now + EVERY));
    }

    #[test]
    fn many_jobs_do_not_fill_memory_or_the_log() {
        let (reminders, now) = (Reminders::default(), Timestamp::from_secs(1_000_000));
        let answer_after_now = |now| (0..5_000).filter(|n| reminders.is_time(job(*n), now)).count();
        assert_eq!(
            (answer_after_now(now), answer_after_now(now + EVERY / 2), answer_after_now(now + EVERY)),
            (MOST, 0, MOST)
        );
        assert_eq!(reminders.answer_after_now.lock().unwrap().len(), MOST);
    }
}
