//! Jobs that a clock left behind that ran ahead: they are due later than any rule allows, and nothing else would look at
//! them until then.

use std::time::Duration;

use domain::transition::{is_astray, may_be_astray_beyond};
use domain::{Command, Job, Status};

use crate::dispatch::follow_up;
use crate::error::Result;
use crate::ports::{DueCursor, Stepped};
use crate::world::World;

/// Jobs read at once.
const PAGE: usize = 100;
/// Statuses that are asked for together: those of minutes, and those of days.
const KINDS: [&[Status]; 2] = [
    &[Status::Queued, Status::Processing],
    &[Status::Uploading, Status::Completed, Status::PartialFailure, Status::Failed, Status::Cancelled],
];

/// One page of each kind. Many jobs that are in order are due very late, such as those in line: the search goes on where
/// it stopped the last time.
pub async fn correct(world: &World, longest: Duration) -> Result<u64> {
    let (over, mut corrected) = (world.now() + longest, 0);
    for (number, kind) in KINDS.into_iter().enumerate() {
        let page = page(world, kind, world.instance.looked_at(number)).await?;
        for job in page.iter().take_while(|_| !world.now().has_reached(over)) {
            corrected += u64::from(try_correct(world, job).await);
        }
        world.instance.look_on_from(number, page.get(PAGE - 1).and_then(cursor));
    }
    Ok(corrected)
}

/// All of them, at most so many of a kind: for a process that has just started.
pub async fn correct_all(world: &World, limit: usize) -> Result<u64> {
    let mut corrected = 0;
    for kind in KINDS {
        let (mut after, mut left) = (None, limit);
        while left > 0 {
            let page = page(world, kind, after).await?;
            for job in &page {
                corrected += u64::from(try_correct(world, job).await);
            }
            let Some(last) = page.get(PAGE - 1) else { break };
            (after, left) = (cursor(last), left.saturating_sub(PAGE));
        }
    }
    Ok(corrected)
}

async fn page(world: &World, kind: &[Status], after: Option<DueCursor>) -> Result<Vec<Job>> {
    let (now, rules) = (world.now(), &world.settings.rules);
    let beyond = kind.iter().map(|status| may_be_astray_beyond(*status, now, rules)).min();
    world.store.due_beyond(kind, beyond.unwrap_or(now), after, PAGE).await
}

fn cursor(job: &Job) -> Option<DueCursor> {
    job.due_at.map(|due_at| DueCursor { due_at, id: job.id })
}

/// One job's trouble does not stop the others.
async fn try_correct(world: &World, job: &Job) -> bool {
    if !is_astray(job, world.now(), &world.settings.rules) {
        return false;
    }
    match world.step(job.id, &Command::CorrectClock).await {
        Ok(stepped) => {
            follow_up(world, &stepped).await;
            tracing::warn!(job_id = %job.id, due_at = ?job.due_at, updated_at = %job.updated_at, "a clock that ran ahead wrote this job; it is due now");
            matches!(stepped, Stepped::Done { .. })
        }
        Err(error) => {
            tracing::warn!(job_id = %job.id, %error, "a job that a clock ahead wrote could not be corrected");
            false
        }
    }
}
