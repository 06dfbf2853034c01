//! The store in memory: one lock; behind it each operation reads what a rule needs, lets the rule decide, and writes.
//! New jobs take their slots provisionally, as in a store that does not count while it creates: a crash may then come
//! between the two steps.

mod archive;
mod deletion;
mod devices;
mod reading;
mod session;
mod tables;
mod writing;

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use domain::accept::Batch;
use domain::checkpoint::Checkpoint;
use domain::command::{Command, Refusal};
use domain::job::Status;
use domain::placement::{self, Group, Placed, PlacementContext};
use domain::planning::FilePlan;
use domain::session::{SessionRequest, WholeFile};
use domain::transition::Context;
use domain::{
    Bucket, Conversation, ConversationId, DeviceId, Job, JobId, Levels, Line, Peaks, Recording, RecordingId, Timestamp,
    Uid,
};
use flow::Result;
use flow::ports::feed::Watchers;
use flow::ports::{
    At, ChangeQuery, ConversationPage, ConversationQuery, Created, Device, DueCursor, DueDeletion, Feed, JobQuery,
    JobStats, LineQuery, Opened, Page, Removed, SessionCompleted, Stepped, Watch, Withdrawn, Written,
};

use tables::Tables;

/// The function that places a group. A test may plant a mistake here to check that the mistake is found.
pub type Placement = dyn Fn(Job, Recording, &Group, PlacementContext, Context<'_>) -> Decided + Send + Sync;

type Decided = std::result::Result<Placed, Refusal>;

pub struct Store {
    tables: Mutex<Tables>,
    placement: Box<Placement>,
    watchers: Watchers,
}

impl Default for Store {
    fn default() -> Self {
        Self::with_placement(placement::place)
    }
}

impl Store {
    pub fn new() -> Self {
        Self::default()
    }

    /// A store that places by another rule than the domain's.
    pub fn with_placement(
        placement: impl Fn(Job, Recording, &Group, PlacementContext, Context<'_>) -> Decided + Send + Sync + 'static,
    ) -> Self {
        Self { tables: Mutex::default(), placement: Box::new(placement), watchers: Watchers::default() }
    }

    /// All conversations of a user, merged and deleted ones included.
    pub fn all_conversations(&self, uid: &Uid) -> Vec<Conversation> {
        self.tables().conversations.values().filter(|c| c.uid == *uid).cloned().collect()
    }

    /// All lines of a user, placed or not, stubs included.
    pub fn all_lines(&self, uid: &Uid) -> Vec<Line> {
        self.tables().lines.values().filter(|line| line.uid == *uid).cloned().collect()
    }

    pub fn all_jobs(&self) -> Vec<Job> {
        self.tables().jobs.values().cloned().collect()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap()
    }

    /// Wakes everybody who watches the jobs of this job's user.
    fn wake_of(&self, id: JobId) {
        let uid = self.tables().jobs.get(&id).map(|job| job.uid.clone());
        uid.iter().for_each(|uid| self.watchers.wake(uid));
    }
}

impl Feed for Store {
    fn watch(&self, uid: &Uid) -> Watch {
        self.watchers.watch(uid)
    }
}

#[async_trait]
impl flow::ports::JobStore for Store {
    async fn create_job(&self, batch: &Batch, at: At<'_>) -> Result<Created> {
        let created = self.tables().create_job(batch, &at);
        self.watchers.wake(&batch.uid);
        created
    }

    async fn withdraw_batch(&self, batch: &Batch, at: At<'_>) -> Result<Withdrawn> {
        let withdrawn = self.tables().withdraw_batch(batch, &at);
        self.watchers.wake(&batch.uid);
        withdrawn
    }

    async fn open_session(&self, request: &SessionRequest, at: At<'_>) -> Result<Opened> {
        let opened = self.tables().open_session(request, &at);
        self.watchers.wake(&request.uid);
        opened
    }

    async fn complete_session(&self, id: JobId, whole: &[WholeFile], at: At<'_>) -> Result<SessionCompleted> {
        let completed = self.tables().complete_session(id, whole, &at);
        self.wake_of(id);
        Ok(completed)
    }

    async fn step(&self, id: JobId, command: &Command, at: At<'_>) -> Result<Stepped> {
        let stepped = self.tables().step(id, command, &at);
        if let Stepped::Done { job, .. } = &stepped {
            self.watchers.wake(&job.uid);
        }
        Ok(stepped)
    }

    async fn plan_file(&self, id: JobId, plan: &FilePlan, at: At<'_>) -> Result<Written<(Job, Recording)>> {
        let written = self.tables().plan_file(id, plan, &at);
        self.wake_of(id);
        Ok(written)
    }

    async fn save_checkpoint(&self, id: JobId, checkpoint: &Checkpoint, at: At<'_>) -> Result<Written<Job>> {
        let written = self.tables().save_checkpoint(id, checkpoint, &at);
        self.wake_of(id);
        written
    }

    async fn checkpoint(&self, id: JobId, index: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.tables().checkpoints.get(&(id, index)).cloned())
    }

    async fn store_texts(&self, id: JobId, fence: u64, lines: Vec<Line>, at: At<'_>) -> Result<Written<Vec<Line>>> {
        let written = self.tables().store_texts(id, fence, lines, &at);
        self.wake_of(id);
        written
    }

    async fn place(&self, id: JobId, group: &Group, at: At<'_>) -> Result<Written<(Job, Recording)>> {
        let written = self.tables().place(&*self.placement, id, group, &at);
        self.wake_of(id);
        written
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        Ok(self.tables().jobs.get(&id).cloned())
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<Job>> {
        Ok(self.tables().jobs(query))
    }

    async fn changed_jobs(&self, query: &ChangeQuery) -> Result<Vec<Job>> {
        Ok(self.tables().changed_jobs(query))
    }

    async fn jobs_ahead(&self, job: &Job) -> Result<u32> {
        Ok(self.tables().jobs_ahead(job))
    }

    async fn recordings(&self, uid: &Uid, ids: &[RecordingId]) -> Result<Vec<Option<Recording>>> {
        let tables = self.tables();
        Ok(ids.iter().map(|id| tables.recordings.get(&(uid.clone(), *id)).cloned()).collect())
    }

    async fn levels(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Levels>> {
        Ok(self.tables().extras.get(&(uid.clone(), recording)).and_then(|extras| extras.levels.clone()))
    }

    async fn lines(&self, uid: &Uid, recording: RecordingId, starts: &[u32]) -> Result<Vec<Line>> {
        Ok(self.tables().lines_at(uid, recording, starts))
    }
}

#[async_trait]
impl flow::ports::LibraryStore for Store {
    async fn peaks(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Peaks>> {
        Ok(self.tables().extras.get(&(uid.clone(), recording)).and_then(|extras| extras.peaks.clone()))
    }

    async fn conversation(&self, query: &LineQuery) -> Result<Option<ConversationPage>> {
        Ok(self.tables().conversation(query))
    }

    async fn conversations(&self, query: &ConversationQuery) -> Result<Vec<Conversation>> {
        Ok(self.tables().conversations(query))
    }

    async fn delete_conversation(&self, uid: &Uid, id: ConversationId, at: At<'_>) -> Result<bool> {
        Ok(self.tables().delete_conversation(uid, id, at.now))
    }

    async fn usage(&self, uid: &Uid, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Bucket>> {
        let tables = self.tables();
        let buckets = tables.usage.range((uid.clone(), from)..(uid.clone(), to.max(from)));
        Ok(buckets.take(limit).map(|((_, hour), usage)| Bucket { hour: *hour, usage: *usage }).collect())
    }
}

#[async_trait]
impl flow::ports::DeviceStore for Store {
    async fn put_device(&self, device: &Device) -> Result<()> {
        self.tables().put_device(device);
        Ok(())
    }

    async fn delete_device(&self, uid: &Uid, id: &DeviceId) -> Result<()> {
        self.tables().devices.remove(&(uid.clone(), id.clone()));
        Ok(())
    }

    async fn devices(&self, uid: &Uid) -> Result<Vec<Device>> {
        Ok(self.tables().devices_of(uid))
    }

    async fn drop_token(&self, uid: &Uid, id: &DeviceId, token: &str) -> Result<()> {
        self.tables().drop_token(uid, id, token);
        Ok(())
    }
}

#[async_trait]
impl flow::ports::MaintenanceStore for Store {
    async fn due_jobs(&self, now: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>> {
        Ok(self.tables().due_jobs(now, page))
    }

    async fn due_beyond(&self, statuses: &[Status], beyond: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>> {
        Ok(self.tables().due_beyond(statuses, beyond, page))
    }

    async fn stuck_users(&self, at: At<'_>, limit: usize) -> Result<Vec<Uid>> {
        Ok(self.tables().stuck_users(&at, limit))
    }

    async fn promote(&self, uid: &Uid, at: At<'_>) -> Result<Vec<Job>> {
        let promoted = self.tables().promote(uid, &at);
        self.watchers.wake(uid);
        Ok(promoted)
    }

    async fn remove_texts(&self, uid: &Uid, id: ConversationId, limit: usize) -> Result<Removed> {
        Ok(self.tables().remove_texts(uid, id, limit))
    }

    async fn due_deletions(&self, now: Timestamp, page: &Page<DueDeletion>) -> Result<Vec<DueDeletion>> {
        Ok(self.tables().due_deletions(now, page))
    }

    async fn jobs_with_audio(&self, ids: &[JobId]) -> Result<Vec<JobId>> {
        Ok(self.tables().jobs_with_audio(ids))
    }

    async fn job_stats(&self, now: Timestamp) -> Result<JobStats> {
        Ok(self.tables().job_stats(now))
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}
