//! The sweep repairs every job that is due, as its state requires. It may run at any time, and twice at once, because each
//! repair is one command, which is refused if it no longer applies.

mod clock_ahead;
mod release;
pub(crate) mod swept;

use std::time::Duration;

use domain::job::{DispatchState, WaitingFor};
use domain::repair::{Repair, needed_repair};
use domain::{Command, Job, JobId, Status, Timestamp};
use tracing::Instrument;

use crate::circuit::CircuitState;
use crate::conversation;
use crate::dispatch::{enqueue, follow_up, try_enqueue};
use crate::effects;
use crate::error::{Error, Result};
use crate::job_end;
use crate::metrics;
use crate::ports::{BlobName, DueCursor, Page, Stepped, TaskName};
use crate::services::Services;

pub use swept::Swept;

/// The number of due jobs that are read at once.
const PAGE: usize = 200;
/// The number of blobs that are listed at once.
const ORPHAN_PAGE: usize = 2000;
/// The most users whose waiting jobs are handled in one sweep.
const STUCK_USERS: usize = 1000;
/// The default number of jobs that a sweep handles. It bounds one request.
pub const DEFAULT_LIMIT: usize = 2000;
/// After this long each part of a sweep leaves the rest to the next sweep: a platform ends a request that takes too long,
/// and the last parts have to run even while a service that the first ones wait for does not answer.
const LONGEST_PART: Duration = Duration::from_secs(100);

/// The parts of a sweep, each of which has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    DueJobs,
    ClockAhead,
    EngineWaiters,
    Slots,
    Deletions,
}

const PARTS: [Part; 5] = [Part::DueJobs, Part::ClockAhead, Part::EngineWaiters, Part::Slots, Part::Deletions];
/// The shares of a sweep's time: one for each part, and one for calls that are running when a part's share is over.
const SHARES: u32 = PARTS.len() as u32 + 1;

/// Runs a sweep over at most `limit` due jobs, and as many deleted conversations.
pub async fn sweep(services: &Services, limit: usize) -> Result<Swept> {
    sweep_in_parts(services, limit, LONGEST_PART).await
}

/// Like [`sweep`], if the host ends it after this time: each part gets its share, so that the last ones run too.
pub async fn sweep_within(services: &Services, limit: usize, time: Duration) -> Result<Swept> {
    sweep_in_parts(services, limit, (time / SHARES).min(LONGEST_PART)).await
}

/// Begins after the part in which the last sweep of this instance failed or was cut off: otherwise the parts behind it would
/// never run as long as the same happens in every sweep.
async fn sweep_in_parts(services: &Services, limit: usize, longest_part: Duration) -> Result<Swept> {
    let (mut swept, mut result) = (Swept::default(), Ok(()));
    let first = services.instance.next_sweep_part();
    for part in (first..first + PARTS.len()).map(|part| part % PARTS.len()) {
        services.instance.set_next_sweep_part((part + 1) % PARTS.len());
        result = sweep_part(services, PARTS[part], limit, longest_part, &mut swept).await;
        if result.is_err() {
            break;
        }
    }
    if result.is_ok() {
        services.instance.set_next_sweep_part(0);
    }
    metrics::swept(&swept);
    result.map(|()| swept)
}

async fn sweep_part(services: &Services, part: Part, limit: usize, longest: Duration, swept: &mut Swept) -> Result<()> {
    let over = services.now() + longest;
    match part {
        Part::DueJobs => repair_due(services, limit, over, swept).await?,
        Part::ClockAhead => swept.corrected += clock_ahead::correct(services, longest).await?,
        Part::EngineWaiters => swept.enqueued += release::engine_waiters(services, limit, over).await?,
        Part::Slots => swept.enqueued += give_slots(services, longest).await?,
        Part::Deletions => swept.forgotten += conversation::sweep(services, limit, over).await?,
    }
    Ok(())
}

async fn repair_due(services: &Services, limit: usize, over: Timestamp, swept: &mut Swept) -> Result<()> {
    let mut due = Due::until(services.now(), limit);
    while let Some(page) = due.page(services).await? {
        for job in &page {
            if services.now().has_reached(over) {
                tracing::warn!("a sweep took too long; the next one continues with the due jobs");
                return Ok(());
            }
            // An error with one job does not stop the others; it stays due.
            if let Err(error) = repair(services, job, swept).instrument(job_end::span(job)).await {
                say_unrepaired(services, job, &error);
                due.spare();
            }
        }
    }
    Ok(())
}

fn say_unrepaired(services: &Services, job: &Job, error: &Error) {
    const WHAT: &str = "a due job could not be repaired; the next sweep tries again";
    if services.instance.repair_alarm.is_time(services.now()) {
        tracing::warn!(job_id = %job.id, %error, "{WHAT}; for a minute, more of this is logged at the level debug");
    } else {
        tracing::debug!(job_id = %job.id, %error, "{WHAT}");
    }
}

/// Gives free slots to jobs that wait for one: slots that a crash left unused, and those that parked jobs gave up. No job
/// is started while the engine is known not to answer.
async fn give_slots(services: &Services, longest: Duration) -> Result<u64> {
    if services.instance.circuit.state_at(services.now()) != CircuitState::Closed {
        return Ok(0);
    }
    let (over, mut given) = (services.now() + longest, 0);
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

/// Resumes jobs after the start of a process that exclusively holds the store: every earlier worker is gone, and the queue
/// may have lost tasks (a restored backup has no queue at all). Jobs from before the start do not wait until their lease
/// ends or their task is missed, and jobs that wait for a speech engine try at once whether this start brought the right
/// one.
pub async fn resume(services: &Services, started: Timestamp, limit: usize) -> Result<u64> {
    clock_ahead::correct_all(services, limit).await?;
    let rules = &services.settings.rules;
    let longest_check = rules.task_grace.max(rules.enqueue_grace).max(rules.takeover_after());
    let horizon = services.now() + release::longest_engine_wait(services) + longest_check;
    let (mut due, mut resumed) = (Due::until(horizon, limit), 0);
    while let Some(page) = due.page(services).await? {
        for job in page.iter().filter(|job| job.updated_at < started) {
            match resume_one(services, job).instrument(job_end::span(job)).await {
                Ok(done) => resumed += u64::from(done),
                Err(error) => {
                    tracing::warn!(job_id = %job.id, %error, "a job from before the start could not be resumed");
                }
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

/// Whether the job waits for a service that a new start may have brought back.
fn waits_for_a_service(job: &Job) -> bool {
    matches!(job.waiting_for, Some(WaitingFor::Engine | WaitingFor::Storage))
}

/// The jobs that are due until a given time, page by page, and at most a given number of them.
struct Due {
    until: Timestamp,
    after: Option<DueCursor>,
    left: usize,
    /// Whether the last job was read, and not only the last one within the limit.
    is_exhausted: bool,
}

impl Due {
    fn until(until: Timestamp, limit: usize) -> Self {
        Self { until, after: None, left: limit, is_exhausted: false }
    }

    async fn page(&mut self, services: &Services) -> Result<Option<Vec<Job>>> {
        let wanted = PAGE.min(self.left);
        if wanted == 0 {
            return Ok(None);
        }
        let page = services.store.due_jobs(self.until, Page { after: self.after, limit: wanted }).await?;
        // A short page is the last one.
        self.is_exhausted = page.len() < wanted;
        self.left = if self.is_exhausted { 0 } else { self.left - wanted };
        self.after = page.last().and_then(DueCursor::of);
        Ok((!page.is_empty()).then_some(page))
    }

    /// A job that could not be repaired does not count: many of them, such as finished jobs whose audio cannot be deleted
    /// while a backup runs, would otherwise keep the sweep from all jobs behind them. Time bounds the sweep as well.
    fn spare(&mut self) {
        if !self.is_exhausted {
            self.left += 1;
        }
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
        // An expired session is cleaned up at once, which is counted.
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

/// Creates the next task if the current one is gone, and returns whether it did. While the queue still has the task, only
/// the next check is scheduled.
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

/// The orphan rule: deletes staged audio that no job needs and that was written before this time, left behind by
/// interrupted uploads and ended sessions. In the cloud the bucket's lifecycle does this.
pub async fn sweep_orphans(services: &Services, before: Timestamp) -> Result<u64> {
    Ok(sweep_kind(services, before, StagedKind::Blobs).await? + sweep_kind(services, before, StagedKind::Parts).await?)
}

/// The two kinds of staged audio: complete files, and parts of incomplete ones.
#[derive(Clone, Copy)]
enum StagedKind {
    Blobs,
    Parts,
}

impl StagedKind {
    async fn list(self, services: &Services, after: Option<&BlobName>) -> Result<Vec<(BlobName, Duration)>> {
        match self {
            StagedKind::Blobs => services.blobs.list("uploads/", after, ORPHAN_PAGE).await,
            StagedKind::Parts => services.uploads.list(after, ORPHAN_PAGE).await,
        }
    }

    async fn delete(self, services: &Services, blob: &BlobName) -> Result<()> {
        match self {
            StagedKind::Blobs => services.blobs.delete(blob).await,
            StagedKind::Parts => services.uploads.abandon(blob, None).await,
        }
    }
}

async fn sweep_kind(services: &Services, before: Timestamp, kind: StagedKind) -> Result<u64> {
    let (mut after, mut deleted) = (None, 0);
    loop {
        let page = kind.list(services, after.as_ref()).await?;
        let Some((last, _)) = page.last() else { return Ok(deleted) };
        let full = page.len() == ORPHAN_PAGE;
        after = Some(last.clone());
        let age = before.until(services.now());
        let old = page.into_iter().filter(|(_, since)| *since >= age).map(|(blob, _)| blob).collect();
        deleted += delete_orphans(services, old, kind).await?;
        if !full {
            return Ok(deleted);
        }
    }
}

async fn delete_orphans(services: &Services, mut blobs: Vec<BlobName>, kind: StagedKind) -> Result<u64> {
    // This is checked before the store: an upload that has ended by now has committed, so that the store knows its job.
    blobs.retain(|blob| blob.job().is_none_or(|job| !services.staging.contains(job)));
    let mut jobs: Vec<JobId> = blobs.iter().filter_map(BlobName::job).collect();
    jobs.dedup();
    let owned = services.store.jobs_with_audio(&jobs).await?;
    let mut deleted = 0;
    for blob in blobs.iter().filter(|blob| blob.job().is_none_or(|job| !owned.contains(&job))) {
        // A blob that cannot be deleted now does not stop the others.
        match kind.delete(services, blob).await {
            Ok(()) => deleted += 1,
            Err(error) => tracing::warn!(%blob, %error, "orphaned audio could not be deleted"),
        }
    }
    Ok(deleted)
}
