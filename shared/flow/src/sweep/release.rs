//! Release of jobs that wait for the speech engine when it may be back: one job probes it, and after an answer all of them
//! are woken. They need slots like any other job, so that the engine is not overrun.

use std::time::Duration;

use domain::job::WaitingFor;
use domain::{Command, Job, Timestamp};

use super::Due;
use crate::circuit::{self, CircuitState};
use crate::dispatch::follow_up;
use crate::error::Result;
use crate::ports::Stepped;
use crate::services::Services;

/// Wakes jobs that would otherwise be delivered later. At most `limit` jobs are checked.
pub async fn engine_waiters(services: &Services, limit: usize) -> Result<u64> {
    let now = services.now();
    let most = match services.instance.circuit.state_at(now) {
        CircuitState::Open => 0,
        CircuitState::HalfOpen => 1,
        CircuitState::Closed if services.instance.circuit.take_came_back() => limit,
        CircuitState::Closed => 0,
    };
    let (mut due, mut woken) = (Due::until(now + longest_engine_wait(services), limit), 0);
    while woken < most
        && let Some(page) = due.page(services).await?
    {
        let mut waiters: Vec<_> = page.iter().filter(|job| waits_for_the_engine(job, now)).collect();
        // Jobs with a language come last: one that the engine does not support would not probe it.
        waiters.sort_by_key(|job| job.language.is_some());
        for job in waiters {
            if woken < most && wake(services, job).await {
                woken += 1;
            }
        }
    }
    Ok(woken as u64)
}

/// The longest time for which a job is parked because of the engine, by the rules or by the circuit.
pub(super) fn longest_engine_wait(services: &Services) -> Duration {
    services.settings.rules.backoff_max.max(circuit::LONGEST_WAIT)
}

fn waits_for_the_engine(job: &Job, now: Timestamp) -> bool {
    job.is_parked() && job.waiting_for == Some(WaitingFor::Engine) && job.due_at.is_some_and(|due| due > now)
}

/// Wakes one job. An error is logged and does not stop the others; the job is delivered later by itself.
async fn wake(services: &Services, job: &Job) -> bool {
    match services.step(job.id, &Command::Wake).await {
        Ok(stepped) => {
            follow_up(services, &stepped).await;
            matches!(stepped, Stepped::Done { .. })
        }
        Err(error) => {
            tracing::warn!(job_id = %job.id, %error, "a job that waits for the speech engine was not woken");
            false
        }
    }
}
