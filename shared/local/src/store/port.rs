//! Implements the store port: each operation is one step of the writer, or one read by a reader.

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
use flow::ports::{
    At, ChangeQuery, ConversationPage, ConversationQuery, Created, Device, DeviceStore, DueCursor, DueDeletion,
    JobQuery, JobStats, JobStore, LibraryStore, LineQuery, MAX_EFFECTS_COUNTED, MaintenanceStore, Opened, Page,
    Removed, SessionCompleted, Stepped, Withdrawn, Written,
};

use super::table::{checkpoints, conversations, devices as registered, jobs, levels, lines, peaks, recordings, usage};
use super::{Moment, SqliteStore, accept, deletion, devices, reading, session, step, user_slots, worker_writes};

#[async_trait]
impl JobStore for SqliteStore {
    async fn create_job(&self, batch: &Batch, at: At<'_>) -> Result<Created> {
        let (id, batch, moment) = (batch.job_id, batch.clone(), Moment::of(&at));
        self.write_jobs("store.create_job", id, move |db| accept::create_job(db, &batch, &moment.at())).await
    }

    async fn withdraw_batch(&self, batch: &Batch, at: At<'_>) -> Result<Withdrawn> {
        let (id, batch, moment) = (batch.job_id, batch.clone(), Moment::of(&at));
        self.write_jobs("store.withdraw_batch", id, move |db| accept::withdraw_batch(db, &batch, &moment.at())).await
    }

    async fn open_session(&self, request: &SessionRequest, at: At<'_>) -> Result<Opened> {
        let (id, request, moment) = (request.job_id, request.clone(), Moment::of(&at));
        self.write_jobs("store.open_session", id, move |db| session::open(db, &request, &moment.at())).await
    }

    async fn complete_session(&self, id: JobId, whole: &[WholeFile], at: At<'_>) -> Result<SessionCompleted> {
        let (whole, moment) = (whole.to_vec(), Moment::of(&at));
        self.write_jobs("store.complete_session", id, move |db| session::complete(db, id, &whole, &moment.at())).await
    }

    async fn step(&self, id: JobId, command: &Command, at: At<'_>) -> Result<Stepped> {
        let (command, moment) = (command.clone(), Moment::of(&at));
        self.write_jobs("store.step", id, move |db| step::step(db, id, &command, &moment.at())).await
    }

    async fn plan_file(&self, id: JobId, plan: &FilePlan, at: At<'_>) -> Result<Written<(Job, Recording)>> {
        let (plan, moment) = (plan.clone(), Moment::of(&at));
        self.write_jobs("store.plan_file", id, move |db| worker_writes::plan_file(db, id, &plan, &moment.at())).await
    }

    async fn save_checkpoint(&self, id: JobId, checkpoint: &Checkpoint, at: At<'_>) -> Result<Written<Job>> {
        let (checkpoint, moment) = (checkpoint.clone(), Moment::of(&at));
        let save = move |db: &_| worker_writes::save_checkpoint(db, id, &checkpoint, &moment.at());
        self.write_jobs("store.save_checkpoint", id, save).await
    }

    async fn checkpoint(&self, id: JobId, index: usize) -> Result<Option<Vec<u8>>> {
        self.read("store.checkpoint", id, move |db| checkpoints::load(db, id, index)).await
    }

    async fn store_texts(&self, id: JobId, fence: u64, lines: Vec<Line>, at: At<'_>) -> Result<Written<Vec<Line>>> {
        let moment = Moment::of(&at);
        self.write_jobs("store.store_texts", id, move |db| {
            worker_writes::store_texts(db, id, fence, lines, &moment.at())
        })
        .await
    }

    async fn place(&self, id: JobId, group: &Group, at: At<'_>) -> Result<Written<(Job, Recording)>> {
        let (group, moment) = (group.clone(), Moment::of(&at));
        self.write_jobs("store.place", id, move |db| worker_writes::place(db, id, &group, &moment.at())).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        self.read("store.job", id, move |db| jobs::load(db, id)).await
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<Job>> {
        let query = query.clone();
        self.read("store.jobs", "", move |db| reading::jobs(db, &query)).await
    }

    async fn changed_jobs(&self, query: &ChangeQuery) -> Result<Vec<Job>> {
        let query = query.clone();
        self.read("store.changed_jobs", "", move |db| jobs::changed(db, &query)).await
    }

    async fn jobs_ahead(&self, job: &Job) -> Result<u32> {
        let job = job.clone();
        self.read("store.jobs_ahead", job.id, move |db| reading::jobs_ahead(db, &job)).await
    }

    async fn recordings(&self, uid: &Uid, ids: &[RecordingId]) -> Result<Vec<Option<Recording>>> {
        let (uid, ids) = (uid.clone(), ids.to_vec());
        let load = move |db: &_| ids.iter().map(|id| recordings::load_one(db, &uid, *id)).collect();
        self.read("store.recordings", "", load).await
    }

    async fn levels(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Levels>> {
        let uid = uid.clone();
        self.read("store.levels", recording, move |db| levels::load(db, &uid, recording)).await
    }

    async fn lines(&self, uid: &Uid, recording: RecordingId, starts: &[u32]) -> Result<Vec<Line>> {
        let (uid, starts) = (uid.clone(), starts.to_vec());
        self.read("store.lines", recording, move |db| lines::of_recording(db, &uid, recording, &starts)).await
    }
}

#[async_trait]
impl LibraryStore for SqliteStore {
    async fn peaks(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Peaks>> {
        let uid = uid.clone();
        self.read("store.peaks", recording, move |db| peaks::load(db, &uid, recording)).await
    }

    async fn conversation(&self, query: &LineQuery) -> Result<Option<ConversationPage>> {
        let query = query.clone();
        self.read("store.conversation", query.conversation, move |db| reading::conversation(db, &query)).await
    }

    async fn conversations(&self, query: &ConversationQuery) -> Result<Vec<Conversation>> {
        let query = query.clone();
        self.read("store.conversations", "", move |db| conversations::list(db, &query)).await
    }

    async fn delete_conversation(&self, uid: &Uid, id: ConversationId, at: At<'_>) -> Result<bool> {
        let (uid, now) = (uid.clone(), at.now);
        self.write("store.delete_conversation", id, move |db| deletion::delete(db, &uid, id, now)).await
    }

    async fn usage(&self, uid: &Uid, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Bucket>> {
        let uid = uid.clone();
        self.read("store.usage", "", move |db| usage::list(db, &uid, from, to, limit)).await
    }
}

#[async_trait]
impl DeviceStore for SqliteStore {
    async fn put_device(&self, device: &Device) -> Result<()> {
        let device = device.clone();
        self.write("store.put_device", device.id.clone(), move |db| devices::put(db, &device)).await
    }

    async fn delete_device(&self, uid: &Uid, id: &DeviceId) -> Result<()> {
        let (uid, id) = (uid.clone(), id.clone());
        self.write("store.delete_device", id.clone(), move |db| registered::delete(db, &uid, id.as_str())).await
    }

    async fn devices(&self, uid: &Uid) -> Result<Vec<Device>> {
        let uid = uid.clone();
        self.read("store.devices", "", move |db| registered::list(db, &uid)).await
    }

    async fn drop_token(&self, uid: &Uid, id: &DeviceId, token: &str) -> Result<()> {
        let (uid, id, token) = (uid.clone(), id.clone(), token.to_owned());
        self.write("store.drop_token", id.clone(), move |db| registered::drop_token(db, &uid, &id, &token)).await
    }
}

#[async_trait]
impl MaintenanceStore for SqliteStore {
    async fn due_jobs(&self, now: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>> {
        self.read("store.due_jobs", "", move |db| jobs::due_until(db, now, page)).await
    }

    async fn due_beyond(&self, statuses: &[Status], beyond: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>> {
        let statuses = statuses.to_vec();
        self.read("store.due_beyond", "", move |db| jobs::due_beyond(db, &statuses, beyond, page)).await
    }

    async fn stuck_users(&self, at: At<'_>, limit: usize) -> Result<Vec<Uid>> {
        let moment = Moment::of(&at);
        self.read("store.stuck_users", "", move |db| user_slots::stuck_users(db, &moment.at(), limit)).await
    }

    async fn promote(&self, uid: &Uid, at: At<'_>) -> Result<Vec<Job>> {
        let (uid, moment) = (uid.clone(), Moment::of(&at));
        self.write_jobs("store.promote", "", move |db| user_slots::promote(db, &uid, &moment.at())).await
    }

    async fn remove_texts(&self, uid: &Uid, id: ConversationId, limit: usize) -> Result<Removed> {
        let uid = uid.clone();
        self.write("store.remove_texts", id, move |db| deletion::remove_texts(db, &uid, id, limit)).await
    }

    async fn due_deletions(&self, now: Timestamp, page: &Page<DueDeletion>) -> Result<Vec<DueDeletion>> {
        let page = page.clone();
        self.read("store.due_deletions", "", move |db| conversations::due(db, now, &page)).await
    }

    async fn jobs_with_audio(&self, ids: &[JobId]) -> Result<Vec<JobId>> {
        let ids = ids.to_vec();
        self.read("store.jobs_with_audio", "", move |db| reading::jobs_with_audio(db, &ids)).await
    }

    async fn job_stats(&self, now: Timestamp) -> Result<JobStats> {
        self.read("store.census", "", move |db| jobs::job_stats(db, now, MAX_EFFECTS_COUNTED)).await
    }

    async fn ready(&self) -> Result<()> {
        self.write("store.ready", "", |_| Ok(())).await
    }
}
