//! The repair: looks at every job that is due and gives it what its state asks for. Safe to run at any time, and twice
//! at once: each repair is one command that is refused when it does not apply any more.

mod astray;
mod release;
pub(crate) mod swept;

use std::time::Duration;

use domain::job::{DispatchState, WaitingFor};
use domain::repair::{Repair, needed_repair};
use domain::{Command, Job, JobId, Status, Timestamp};

use crate::circuit::Known;
use crate::conversation;
use crate::dispatch::{enqueue, follow_up, try_enqueue};
use crate::effects;
use crate::error::Result;
use crate::metrics;
use crate::ports::{BlobName, DueCursor, Stepped, TaskName};
use crate::services::Services;

pub use swept::Swept;

/// Jobs read at once.
const PAGE: usize = 200;
/// Blobs read at once.
const ORPHAN_PAGE: usize = 2000;
/// Users whose waiting jobs are looked at in one sweep.
const STUCK_USERS: usize = 1000;
/// What a sweep looks at when it is not told: bounds one request.
pub const DEFAULT_LIMIT: usize = 2000;
/// After this long each part of a sweep leaves the rest to the next one: a platform ends a request that takes its time,
/// and the parts that come last must have their turn while a service that others wait for does not answer.
const LONGEST_PART: Duration = Duration::from_secs(100);

/// Looks at no more than `limit` due jobs, and as many deleted conversations.
pub async fn sweep(services: &Services, limit: usize) -> Result<Swept> {
    let mut swept = Swept::default();
    let mut due = Due::until(services.now(), limit);
    let over = services.now() + LONGEST_PART;
    'due: while let Some(page) = due.page(services).await? {
        for job in &page {
            if services.now().has_reached(over) {
                tracing::warn!("a sweep took its time; the next one goes on with the jobs that are due");
                break 'due;
            }
            // One job's trouble does not stop the others: it stays due.
            if let Err(error) = repair(services, job, &mut swept).await {
                tracing::warn!(job_id = %job.id, %error, "a due job could not be repaired");
            }
        }
    }
    swept.corrected = astray::correct(services, LONGEST_PART).await?;
    swept.enqueued += release::engine_waiters(services, limit).await? + give_slots(services).await?;
    swept.forgotten = conversation::sweep(services, limit, services.now() + LONGEST_PART).await?;
    metrics::swept(&swept);
    Ok(swept)
}

/// Gives free turns to those who wait for one: what a crash left behind, and what jobs gave away that wait for a service.
/// Nobody is sent into an engine that is known not to answer.
async fn give_slots(services: &Services) -> Result<u64> {
    if services.instance.circuit.known(services.now()) != Known::Answers {
        return Ok(0);
    }
    let (over, mut given) = (services.now() + LONGEST_PART, 0);
    for uid in services.store.stuck_users(services.at(), STUCK_USERS).await? {
        if services.now().has_reached(over) {
            break;
        }
        for job in services.store.promote(&uid, services.at()).await? {
            enqueue(services, &job).await;
            given += 1;
        }
    }
    Ok(given)
}

/// For a process that has just started and holds the store alone: whoever worked before it is gone, and the queue may
/// know less than the store (a restored backup has no queue at all). Jobs from before the start need not wait until their
/// lease ends or their task is missed; and whoever waits for a speech engine finds out at once whether this start brought
/// the right one.
pub async fn resume(services: &Services, started: Timestamp, limit: usize) -> Result<u64> {
    astray::correct_all(services, limit).await?;
    let rules = &services.settings.rules;
    let looked_at_again = rules.task_grace.max(rules.enqueue_grace).max(rules.lease);
    let horizon = services.now() + rules.backoff_max + looked_at_again;
    let (mut due, mut resumed) = (Due::until(horizon, limit), 0);
    while let Some(page) = due.page(services).await? {
        for job in page.iter().filter(|job| job.updated_at < started) {
            match resume_one(services, job).await {
                Ok(done) => resumed += u64::from(done),
                Err(error) => tracing::warn!(job_id = %job.id, %error, "a job from before the start has to wait"),
            }
        }
    }
    Ok(resumed)
}

async fn resume_one(services: &Services, job: &Job) -> Result<bool> {
    if job.status == Status::Processing {
        end_or_requeue(services, job, Command::WorkerGone { fence: job.lease.fence }).await
    } else if job.status == Status::Queued && waits_for_a_service(job) {
        let stepped = services.step(job.id, &Command::Wake).await?;
        follow_up(services, &stepped).await;
        Ok(matches!(stepped, Stepped::Done { .. }))
    } else if is_on_its_way(job, services.now()) {
        check_task(services, job).await
    } else {
        Ok(false)
    }
}

/// For one that may well be back with a new start.
fn waits_for_a_service(job: &Job) -> bool {
    matches!(job.waiting_for, Some(WaitingFor::Engine | WaitingFor::Storage))
}

/// The jobs that are due until a moment, page by page, a bounded number of them.
struct Due {
    until: Timestamp,
    after: Option<DueCursor>,
    left: usize,
}

impl Due {
    fn until(until: Timestamp, limit: usize) -> Self {
        Self { until, after: None, left: limit }
    }

    async fn page(&mut self, services: &Services) -> Result<Option<Vec<Job>>> {
        let wanted = PAGE.min(self.left);
        if wanted == 0 {
            return Ok(None);
        }
        let page = services.store.due_jobs(self.until, self.after, wanted).await?;
        // A short page is the last one.
        self.left = if page.len() == wanted { self.left - wanted } else { 0 };
        self.after = page.last().and_then(|job| Some(DueCursor { due_at: job.due_at?, id: job.id }));
        Ok((!page.is_empty()).then_some(page))
    }
}

fn is_on_its_way(job: &Job, now: Timestamp) -> bool {
    let time_has_come = job.dispatch.not_before.is_none_or(|at| now.has_reached(at));
    job.status == Status::Queued && job.dispatch.state != DispatchState::Waiting && time_has_come
}

async fn repair(services: &Services, job: &Job, swept: &mut Swept) -> Result<()> {
    match needed_repair(job, services.now(), &services.settings.rules) {
        Repair::Nothing => {}
        Repair::CheckTask => swept.enqueued += u64::from(check_task(services, job).await?),
        Repair::TakeSlot => {
            let stepped = services.step(job.id, &Command::TakeSlot).await?;
            follow_up(services, &stepped).await;
            swept.enqueued += u64::from(matches!(stepped, Stepped::Done { .. }));
        }
        Repair::Recover => swept.recovered += u64::from(end_or_requeue(services, job, Command::Recover).await?),
        Repair::GiveUpWaiting => {
            swept.recovered += u64::from(end_or_requeue(services, job, Command::GiveUpWaiting).await?);
        }
        // What came of a session that expired: its clean-up, which is counted.
        Repair::ExpireUpload => {
            let stepped = services.step(job.id, &Command::ExpireUpload).await?;
            if let Stepped::Done { job, .. } = stepped {
                swept.blobs_deleted += effects::try_run(services, &job).await?;
                swept.expired += 1;
            }
        }
        Repair::RunEffects => {
            swept.blobs_deleted += effects::try_run(services, job).await?;
            swept.finished_effects += 1;
        }
        Repair::Expire => {
            let stepped = services.step(job.id, &Command::Expire).await?;
            swept.expired += u64::from(matches!(stepped, Stepped::Done { .. }));
        }
    }
    Ok(())
}

/// Whether a task was made. While the queue still has it, the job only looks again later.
async fn check_task(services: &Services, job: &Job) -> Result<bool> {
    let number = job.dispatch.number;
    if services.queue.exists(&TaskName::of(job.id, number)).await? {
        let schedule = job.dispatch.not_before;
        services.step(job.id, &Command::Enqueued { number, schedule }).await?;
        return Ok(false);
    }
    match services.step(job.id, &Command::TaskGone { number }).await? {
        Stepped::Done { job, .. } => {
            try_enqueue(services, &job).await?;
            Ok(true)
        }
        Stepped::Refused { .. } | Stepped::NoSuchJob => Ok(false),
    }
}

async fn end_or_requeue(services: &Services, job: &Job, command: Command) -> Result<bool> {
    let stepped = services.step(job.id, &command).await?;
    follow_up(services, &stepped).await;
    let Stepped::Done { job, .. } = stepped else { return Ok(false) };
    tracing::info!(job_id = %job.id, status = job.status.as_str(), attempt = job.attempt, "a job was recovered");
    if job.status.is_terminal() {
        effects::run(services, &job).await;
    }
    Ok(true)
}

/// Deletes staged audio that no job needs and that was written before this moment: what cut-off uploads left, and what
/// has arrived for sessions that are over. In the cloud the bucket's lifecycle does this.
pub async fn sweep_orphans(services: &Services, before: Timestamp) -> Result<u64> {
    Ok(sweep_kind(services, before, Kept::Blobs).await? + sweep_kind(services, before, Kept::Parts).await?)
}

/// What lies in the store of blobs: files that are whole, and what has arrived of others.
#[derive(Clone, Copy)]
enum Kept {
    Blobs,
    Parts,
}

impl Kept {
    async fn list(self, services: &Services, after: Option<&BlobName>) -> Result<Vec<(BlobName, Duration)>> {
        match self {
            Kept::Blobs => services.blobs.list("uploads/", after, ORPHAN_PAGE).await,
            Kept::Parts => services.uploads.list(after, ORPHAN_PAGE).await,
        }
    }

    async fn delete(self, services: &Services, blob: &BlobName) -> Result<()> {
        match self {
            Kept::Blobs => services.blobs.delete(blob).await,
            Kept::Parts => services.uploads.abandon(blob, None).await,
        }
    }
}

async fn sweep_kind(services: &Services, before: Timestamp, kept: Kept) -> Result<u64> {
    let (mut after, mut deleted) = (None, 0);
    loop {
        let page = kept.list(services, after.as_ref()).await?;
        let Some((last, _)) = page.last() else { return Ok(deleted) };
        let full = page.len() == ORPHAN_PAGE;
        after = Some(last.clone());
        let age = before.until(services.now());
        let old = page.into_iter().filter(|(_, since)| *since >= age).map(|(blob, _)| blob).collect();
        deleted += delete_orphans(services, old, kept).await?;
        if !full {
            return Ok(deleted);
        }
    }
}

async fn delete_orphans(services: &Services, mut blobs: Vec<BlobName>, kept: Kept) -> Result<u64> {
    // Looked at before the store is: whoever has left the list by then has committed, and the store knows the job.
    blobs.retain(|blob| blob.job().is_none_or(|job| !services.staging.contains(job)));
    let mut jobs: Vec<JobId> = blobs.iter().filter_map(BlobName::job).collect();
    jobs.dedup();
    let owned = services.store.jobs_with_audio(&jobs).await?;
    let mut deleted = 0;
    for blob in blobs.iter().filter(|blob| blob.job().is_none_or(|job| !owned.contains(&job))) {
        // One that cannot go now does not keep the others.
        match kept.delete(services, blob).await {
            Ok(()) => deleted += 1,
            Err(error) => tracing::warn!(%blob, %error, "orphaned audio could not be deleted"),
        }
    }
    Ok(deleted)
}
