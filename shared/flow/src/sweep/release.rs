//! Release of jobs that wait for the speech engine when it may be back: one job probes it, and after an answer all of them
//! are woken. They need slots like any other job, so that the engine is not overrun.

use std::time::Duration;

use domain::job::WaitingFor;
use domain::{Command, Job, Timestamp};

use super::Due;
use crate::circuit::{self, CircuitState};
use crate::dispatch::follow_up;
use crate::error::Result;
use crate::instance::WakeUp;
use crate::ports::Stepped;
use crate::services::Services;

/// Wakes jobs that would otherwise be delivered later. At most `limit` jobs are checked, until the time `over`; the next
/// sweep continues where this one stopped, or was cut off.
pub async fn engine_waiters(services: &Services, limit: usize, over: Timestamp) -> Result<u64> {
    let (now, instance) = (services.now(), &services.instance);
    let last = instance.take_wake_up();
    let wake_up = match instance.circuit.state_at(now) {
        CircuitState::Open => return Ok(0),
        CircuitState::HalfOpen => WakeUp { all: false, after: last.and_then(|last| last.after) },
        CircuitState::Closed if instance.circuit.take_came_back() => WakeUp { all: true, after: None },
        CircuitState::Closed => match last.filter(|last| last.all) {
            Some(last) => last,
            None => return Ok(0),
        },
    };
    let mut due = Due { after: wake_up.after, ..Due::until(now + longest_engine_wait(services), limit) };
    let mut woken = 0;
    loop {
        // Jobs that were woken do not wait any more when their page is read again.
        instance.set_wake_up(WakeUp { after: due.after, ..wake_up });
        let Some(page) = due.page(services).await? else { break };
        let mut waiters: Vec<_> = page.iter().filter(|job| waits_for_the_engine(job, now)).collect();
        // Jobs with a language come last: one that the engine does not support would not probe it.
        waiters.sort_by_key(|job| job.language.is_some());
        for job in waiters {
            if services.now().has_reached(over) {
                tracing::warn!("a sweep took too long; the next one continues with the jobs that wait for the engine");
                return Ok(woken);
            }
            woken += u64::from(wake(services, job).await);
            // One job is enough to find out whether the engine is back.
            if woken > 0 && !wake_up.all {
                instance.take_wake_up();
                return Ok(woken);
            }
        }
    }
    if due.is_exhausted {
        instance.take_wake_up();
    }
    Ok(woken)
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
