//! Repair of jobs that were written by a clock that ran ahead. They are due later than any rule allows, and nothing else
//! would handle them until then.

use std::time::Duration;

use domain::transition::{is_from_clock_ahead, latest_plausible_due};
use domain::{Command, Job, Status};

use crate::dispatch::follow_up;
use crate::error::Result;
use crate::ports::{DueCursor, Page, Stepped};
use crate::services::Services;

/// The number of jobs that are read at once.
const PAGE: usize = 100;
/// Statuses that are queried together: those that are due within minutes, and those that are due within days.
const KINDS: [&[Status]; 2] = [
    &[Status::Queued, Status::Processing],
    &[Status::Uploading, Status::Completed, Status::PartialFailure, Status::Failed, Status::Cancelled],
];

/// Checks one page of each kind. Many valid jobs are due very late, such as those in line for a slot, so that each search
/// continues where the last one stopped.
pub async fn correct(services: &Services, longest: Duration) -> Result<u64> {
    let (over, mut corrected) = (services.now() + longest, 0);
    for (number, kind) in KINDS.into_iter().enumerate() {
        let page = page(services, kind, services.instance.clock_repair_cursor(number)).await?;
        for job in page.iter().take_while(|_| !services.now().has_reached(over)) {
            corrected += u64::from(try_correct(services, job).await);
        }
        services.instance.set_clock_repair_cursor(number, page.get(PAGE - 1).and_then(DueCursor::of));
    }
    Ok(corrected)
}

/// Checks all jobs, at most `limit` of each kind, for a process that has just started.
pub async fn correct_all(services: &Services, limit: usize) -> Result<u64> {
    let mut corrected = 0;
    for kind in KINDS {
        let (mut after, mut left) = (None, limit);
        while left > 0 {
            let page = page(services, kind, after).await?;
            for job in &page {
                corrected += u64::from(try_correct(services, job).await);
            }
            let Some(last) = page.get(PAGE - 1) else { break };
            (after, left) = (DueCursor::of(last), left.saturating_sub(PAGE));
        }
    }
    Ok(corrected)
}

async fn page(services: &Services, kind: &[Status], after: Option<DueCursor>) -> Result<Vec<Job>> {
    let (now, rules) = (services.now(), &services.settings.rules);
    let beyond = kind.iter().map(|status| latest_plausible_due(*status, now, rules)).min();
    services.store.due_beyond(kind, beyond.unwrap_or(now), Page { after, limit: PAGE }).await
}

/// Corrects one job. An error is logged and does not stop the others.
async fn try_correct(services: &Services, job: &Job) -> bool {
    if !is_from_clock_ahead(job, services.now(), &services.settings.rules) {
        return false;
    }
    match services.step(job.id, &Command::CorrectClock).await {
        Ok(stepped) => {
            follow_up(services, &stepped).await;
            tracing::warn!(job_id = %job.id, due_at = ?job.due_at, updated_at = %job.updated_at, "a clock that ran ahead wrote this job; it is due now");
            matches!(stepped, Stepped::Done { .. })
        }
        Err(error) => {
            tracing::warn!(job_id = %job.id, %error, "the times of a job could not be corrected");
            false
        }
    }
}
