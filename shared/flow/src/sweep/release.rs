//! Jobs that wait for the speech engine, when it may be back: one finds out, and when it has answered all of them go on.
//! They take turns like any others, so that it is not overrun.

use domain::job::WaitingFor;
use domain::{Command, Job, Timestamp};

use super::Due;
use crate::circuit::Known;
use crate::dispatch::follow_up;
use crate::error::Result;
use crate::ports::Stepped;
use crate::world::World;

/// Wakes jobs that would come by themselves, only later. At most `limit` jobs are looked at.
pub async fn engine_waiters(world: &World, limit: usize) -> Result<u64> {
    let now = world.now();
    let most = match world.instance.circuit.known(now) {
        Known::LeftAlone => 0,
        Known::Doubtful => 1,
        Known::Answers if world.instance.circuit.take_came_back() => limit,
        Known::Answers => 0,
    };
    let (mut due, mut woken) = (Due::until(now + world.settings.rules.backoff_max, limit), 0);
    while woken < most
        && let Some(page) = due.page(world).await?
    {
        let mut waiters: Vec<_> = page.iter().filter(|job| waits_for_the_engine(job, now)).collect();
        // One in a language that the engine does not speak would find out nothing.
        waiters.sort_by_key(|job| job.language.is_some());
        for job in waiters {
            if woken < most && wake(world, job).await {
                woken += 1;
            }
        }
    }
    Ok(woken as u64)
}

fn waits_for_the_engine(job: &Job, now: Timestamp) -> bool {
    job.is_parked() && job.waiting_for == Some(WaitingFor::Engine) && job.due_at.is_some_and(|due| due > now)
}

/// One job's trouble does not stop the others: it comes again by itself.
async fn wake(world: &World, job: &Job) -> bool {
    match world.step(job.id, &Command::Wake).await {
        Ok(stepped) => {
            follow_up(world, &stepped).await;
            matches!(stepped, Stepped::Done { .. })
        }
        Err(error) => {
            tracing::warn!(job_id = %job.id, %error, "a job that waits for the speech engine was not woken");
            false
        }
    }
}
