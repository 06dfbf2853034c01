//! Implements the store port: each operation is repeated as one unit of work until it is settled.

use async_trait::async_trait;
use domain::accept::Batch;
use domain::checkpoint::Checkpoint;
use domain::command::Command;
use domain::job::Status;
use domain::placement::Group;
use domain::planning::FilePlan;
use domain::session::{SessionRequest, WholeFile};
use domain::{
    Bucket, Conversation, ConversationId, DeviceId, Job, JobId, Levels, Line, Peaks, Recording, RecordingId, Timestamp,
    Uid,
};
use flow::Result;
use flow::ports::archive::{Archive, Imported, Record, RecordKey};
use flow::ports::{
    At, ChangeQuery, ConversationPage, ConversationQuery, Created, Device, DeviceStore, DueCursor, DueDeletion,
    JobQuery, JobStats, JobStore, LibraryStore, LineQuery, MaintenanceStore, Opened, Page, Removed, SessionCompleted,
    Stepped, Withdrawn, Written,
};

use super::table::{checkpoints, conversations, devices as registered, jobs, lines, recordings, usage};
use super::unit_of_work::Mode;
use super::{FirestoreStore, accept, archive, deletion, devices, reading, session, step, user_slots, worker_writes};

/// The id of no job, for the health check.
pub(super) const NO_JOB: JobId = JobId(uuid::Uuid::nil());

/// Repeats the work until it is settled. This is a macro, because a function would need a closure that
/// lends out the unit.
macro_rules! retried {
    ($store:ident, $operation:literal, $subject:expr, $mode:expr, |$unit:ident| $work:expr) => {{
        let mut run = $store.run($operation, $subject, $mode);
        loop {
            let mut unit = run.unit();
            let $unit = &mut unit;
            let decided = $work.await;
            if let Some(answer) = run.conclude(unit, decided).await {
                break answer;
            }
        }
    }};
}

/// Like [`retried`], and wakes the watchers of the jobs that were written.
macro_rules! retried_and_woken {
    ($store:ident, $($retried:tt)*) => {{
        let answer = retried!($store, $($retried)*);
        if let Ok(written) = &answer {
            $store.change_feed.wake(written);
        }
        answer
    }};
}

impl FirestoreStore {
    /// Gives slots that are free to jobs in line, after a job got in line. Slots are counted without a lock when a job
    /// settles its provisional one, so a job may end between the count and the write, or many jobs may see the slots of
    /// each other. The last job that gets in line sees how many slots are free. If this fails, the sweep does it.
    async fn promote_after_line(&self, uid: &Uid, at: At<'_>) -> Vec<Job> {
        let mode = Mode::Optimistic;
        let free = retried!(self, "store.promote", "", mode, |unit| user_slots::has_free(unit, uid, &at));
        match free {
            Ok(true) => self.promote(uid, at).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "jobs in line were not promoted; the sweep will do it");
                Vec::new()
            }),
            Ok(false) => Vec::new(),
            Err(error) => {
                tracing::debug!(%error, "the slots of a user were not counted again; the sweep will do it");
                Vec::new()
            }
        }
    }
}

#[async_trait]
impl JobStore for FirestoreStore {
    async fn create_job(&self, batch: &Batch, at: At<'_>) -> Result<Created> {
        let id = batch.job_id;
        retried_and_woken!(self, "store.create_job", id, Mode::Optimistic, |unit| accept::create_job(unit, batch, &at))
    }

    async fn withdraw_batch(&self, batch: &Batch, at: At<'_>) -> Result<Withdrawn> {
        let (id, work) = (batch.job_id, Mode::Optimistic);
        retried_and_woken!(self, "store.withdraw_batch", id, work, |unit| accept::withdraw_batch(unit, batch, &at))
    }

    async fn open_session(&self, request: &SessionRequest, at: At<'_>) -> Result<Opened> {
        let id = request.job_id;
        retried_and_woken!(self, "store.open_session", id, Mode::Transaction, |unit| session::open(unit, request, &at))
    }

    async fn complete_session(&self, id: JobId, whole: &[WholeFile], at: At<'_>) -> Result<SessionCompleted> {
        let work = Mode::Optimistic;
        retried_and_woken!(self, "store.complete_session", id, work, |unit| session::complete(unit, id, whole, &at))
    }

    async fn step(&self, id: JobId, command: &Command, at: At<'_>) -> Result<Stepped> {
        let stepped =
            retried_and_woken!(self, "store.step", id, step::mode(command), |unit| step::step(unit, id, command, &at))?;
        match stepped {
            Stepped::Done { job, actions, .. } if *command == Command::SettleSlot && job.waits_for_slot() => {
                let promoted = self.promote_after_line(&job.uid, at).await;
                Ok(Stepped::Done { job, actions, promoted })
            }
            stepped => Ok(stepped),
        }
    }

    async fn plan_file(&self, id: JobId, plan: &FilePlan, at: At<'_>) -> Result<Written<(Job, Recording)>> {
        retried_and_woken!(self, "store.plan_file", id, Mode::Optimistic, |unit| worker_writes::plan_file(
            unit, id, plan, &at
        ))
    }

    async fn save_checkpoint(&self, id: JobId, checkpoint: &Checkpoint, at: At<'_>) -> Result<Written<Job>> {
        let work = Mode::Optimistic;
        retried_and_woken!(self, "store.save_checkpoint", id, work, |unit| worker_writes::save_checkpoint(
            unit, id, checkpoint, &at
        ))
    }

    async fn checkpoint(&self, id: JobId, index: usize) -> Result<Option<Vec<u8>>> {
        retried!(self, "store.checkpoint", id, Mode::Look, |unit| checkpoints::load(unit, id, index))
    }

    async fn store_texts(&self, id: JobId, fence: u64, lines: Vec<Line>, at: At<'_>) -> Result<Written<Vec<Line>>> {
        let lines = &lines;
        // The job is only read here, but must still be the worker's when the lines are written.
        let work = Mode::Transaction;
        retried_and_woken!(self, "store.store_texts", id, work, |unit| worker_writes::store_texts(
            unit, id, fence, lines, &at
        ))
    }

    async fn place(&self, id: JobId, group: &Group, at: At<'_>) -> Result<Written<(Job, Recording)>> {
        retried_and_woken!(self, "store.place", id, Mode::Optimistic, |unit| worker_writes::place(unit, id, group, &at))
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        retried!(self, "store.job", id, Mode::Look, |unit| jobs::load(unit, id))
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<Job>> {
        retried!(self, "store.jobs", "", Mode::Look, |unit| reading::jobs(unit, query))
    }

    async fn changed_jobs(&self, query: &ChangeQuery) -> Result<Vec<Job>> {
        retried!(self, "store.changed_jobs", "", Mode::Look, |unit| reading::changed_jobs(unit, query))
    }

    async fn jobs_ahead(&self, job: &Job) -> Result<u32> {
        retried!(self, "store.jobs_ahead", job.id, Mode::Look, |unit| reading::jobs_ahead(unit, job))
    }

    async fn recordings(&self, uid: &Uid, ids: &[RecordingId]) -> Result<Vec<Option<Recording>>> {
        let found = retried!(self, "store.recordings", "", Mode::Look, |unit| recordings::load(unit, uid, ids))?;
        Ok(found.into_iter().map(|(recording, _)| recording).collect())
    }

    async fn levels(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Levels>> {
        let found =
            retried!(self, "store.levels", recording, Mode::Look, |unit| recordings::extras(unit, uid, recording))?;
        Ok(found.levels)
    }

    async fn lines(&self, uid: &Uid, recording: RecordingId, starts: &[u32]) -> Result<Vec<Line>> {
        retried!(self, "store.lines", recording, Mode::Look, |unit| lines::of_recording(unit, uid, recording, starts))
    }
}

#[async_trait]
impl LibraryStore for FirestoreStore {
    async fn peaks(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Peaks>> {
        let found =
            retried!(self, "store.peaks", recording, Mode::Look, |unit| recordings::extras(unit, uid, recording))?;
        Ok(found.peaks)
    }

    async fn conversation(&self, query: &LineQuery) -> Result<Option<ConversationPage>> {
        let id = query.conversation;
        retried!(self, "store.conversation", id, Mode::Snapshot, |unit| reading::conversation(unit, query))
    }

    async fn conversations(&self, query: &ConversationQuery) -> Result<Vec<Conversation>> {
        retried!(self, "store.conversations", "", Mode::Look, |unit| conversations::list(unit, query))
    }

    async fn delete_conversation(&self, uid: &Uid, id: ConversationId, at: At<'_>) -> Result<bool> {
        let now = at.now;
        retried!(self, "store.delete_conversation", id, Mode::Optimistic, |unit| deletion::delete(unit, uid, id, now))
    }

    async fn usage(&self, uid: &Uid, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Bucket>> {
        retried!(self, "store.usage", "", Mode::Look, |unit| usage::list(unit, uid, (from, to), limit))
    }
}

#[async_trait]
impl DeviceStore for FirestoreStore {
    async fn put_device(&self, device: &Device) -> Result<()> {
        retried!(self, "store.put_device", &device.id, Mode::Optimistic, |unit| devices::put(unit, device))
    }

    async fn delete_device(&self, uid: &Uid, id: &DeviceId) -> Result<()> {
        retried!(self, "store.delete_device", id, Mode::Optimistic, |unit| devices::delete(unit, uid, id))
    }

    async fn devices(&self, uid: &Uid) -> Result<Vec<Device>> {
        retried!(self, "store.devices", "", Mode::Look, |unit| registered::all(unit, uid, devices::MAX_READ))
    }

    async fn drop_token(&self, uid: &Uid, id: &DeviceId, token: &str) -> Result<()> {
        retried!(self, "store.drop_token", id, Mode::Optimistic, |unit| devices::drop_token(unit, uid, id, token))
    }
}

#[async_trait]
impl MaintenanceStore for FirestoreStore {
    async fn due_jobs(&self, now: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>> {
        retried!(self, "store.due_jobs", "", Mode::Look, |unit| jobs::due(unit, now, page))
    }

    async fn due_beyond(&self, statuses: &[Status], beyond: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>> {
        retried!(self, "store.due_beyond", "", Mode::Look, |unit| jobs::due_beyond(unit, statuses, beyond, page))
    }

    async fn stuck_users(&self, at: At<'_>, limit: usize) -> Result<Vec<Uid>> {
        let last = self.looked_at().clone();
        let look = retried!(self, "store.stuck_users", "", Mode::Look, |unit| {
            user_slots::stuck_users(unit, &at, limit, last.as_deref())
        });
        let (stuck, last) = look?;
        *self.looked_at() = last;
        Ok(stuck)
    }

    async fn promote(&self, uid: &Uid, at: At<'_>) -> Result<Vec<Job>> {
        retried_and_woken!(self, "store.promote", "", Mode::Transaction, |unit| user_slots::promote(unit, uid, &at))
    }

    async fn remove_texts(&self, uid: &Uid, id: ConversationId, limit: usize) -> Result<Removed> {
        retried!(self, "store.remove_texts", id, Mode::Optimistic, |unit| deletion::remove_texts(unit, uid, id, limit))
    }

    async fn due_deletions(&self, now: Timestamp, page: &Page<DueDeletion>) -> Result<Vec<DueDeletion>> {
        retried!(self, "store.due_deletions", "", Mode::Look, |unit| conversations::due(unit, now, page))
    }

    async fn jobs_with_audio(&self, ids: &[JobId]) -> Result<Vec<JobId>> {
        retried!(self, "store.jobs_with_audio", "", Mode::Look, |unit| reading::jobs_with_audio(unit, ids))
    }

    async fn job_stats(&self, now: Timestamp) -> Result<JobStats> {
        retried!(self, "store.census", "", Mode::Look, |unit| reading::job_stats(unit, now))
    }

    async fn ready(&self) -> Result<()> {
        self.can_read().await?;
        self.can_commit().await
    }
}

#[async_trait]
impl Archive for FirestoreStore {
    async fn users(&self, after: Option<&Uid>, limit: usize) -> Result<Vec<Uid>> {
        retried!(self, "archive.users", "", Mode::Look, |unit| archive::users(unit, after, limit))
    }

    async fn export(&self, uid: &Uid, after: Option<RecordKey>, limit: usize) -> Result<Vec<Record>> {
        retried!(self, "archive.export", "", Mode::Snapshot, |unit| archive::export(unit, uid, after, limit))
    }

    async fn import(&self, uid: &Uid, records: &[Record]) -> Result<Imported> {
        retried!(self, "archive.import", "", Mode::Transaction, |unit| archive::import(unit, uid, records))
    }
}
