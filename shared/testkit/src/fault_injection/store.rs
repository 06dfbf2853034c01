//! A store whose operations fail.

use async_trait::async_trait;
use domain::accept::Batch;
use domain::checkpoint::Checkpoint;
use domain::placement::Group;
use domain::planning::FilePlan;
use domain::session::{SessionRequest, WholeFile};
use domain::{
    Bucket, Command, Conversation, ConversationId, DeviceId, Job, JobId, Levels, Line, Peaks, Recording, RecordingId,
    Status, Timestamp, Uid,
};
use flow::Result;
use flow::ports::{
    At, ChangeQuery, ConversationPage, ConversationQuery, Created, Device, DeviceStore, DueCursor, DueDeletion,
    JobQuery, JobStats, JobStore, LibraryStore, LineQuery, MaintenanceStore, Opened, Page, Removed, SessionCompleted,
    Stepped, Withdrawn, Written,
};

use super::{Fault, Faulty};

#[async_trait]
impl<P: JobStore + ?Sized, F: Fault> JobStore for Faulty<P, F> {
    async fn create_job(&self, batch: &Batch, at: At<'_>) -> Result<Created> {
        self.writing("store.create_job", self.inner.create_job(batch, at)).await
    }

    async fn withdraw_batch(&self, batch: &Batch, at: At<'_>) -> Result<Withdrawn> {
        self.writing("store.withdraw_batch", self.inner.withdraw_batch(batch, at)).await
    }

    async fn open_session(&self, request: &SessionRequest, at: At<'_>) -> Result<Opened> {
        self.writing("store.open_session", self.inner.open_session(request, at)).await
    }

    async fn complete_session(&self, id: JobId, whole: &[WholeFile], at: At<'_>) -> Result<SessionCompleted> {
        self.writing("store.complete_session", self.inner.complete_session(id, whole, at)).await
    }

    async fn step(&self, id: JobId, command: &Command, at: At<'_>) -> Result<Stepped> {
        self.writing(name_of(command), self.inner.step(id, command, at)).await
    }

    async fn plan_file(&self, id: JobId, plan: &FilePlan, at: At<'_>) -> Result<Written<(Job, Recording)>> {
        self.writing("store.plan_file", self.inner.plan_file(id, plan, at)).await
    }

    async fn save_checkpoint(&self, id: JobId, checkpoint: &Checkpoint, at: At<'_>) -> Result<Written<Job>> {
        self.writing("store.save_checkpoint", self.inner.save_checkpoint(id, checkpoint, at)).await
    }

    async fn checkpoint(&self, id: JobId, index: usize) -> Result<Option<Vec<u8>>> {
        self.reading("store.checkpoint", self.inner.checkpoint(id, index)).await
    }

    async fn store_texts(&self, id: JobId, fence: u64, lines: Vec<Line>, at: At<'_>) -> Result<Written<Vec<Line>>> {
        self.writing("store.store_texts", self.inner.store_texts(id, fence, lines, at)).await
    }

    async fn place(&self, id: JobId, group: &Group, at: At<'_>) -> Result<Written<(Job, Recording)>> {
        self.writing("store.place", self.inner.place(id, group, at)).await
    }

    async fn job(&self, id: JobId) -> Result<Option<Job>> {
        self.reading("store.job", self.inner.job(id)).await
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<Job>> {
        self.reading("store.jobs", self.inner.jobs(query)).await
    }

    async fn changed_jobs(&self, query: &ChangeQuery) -> Result<Vec<Job>> {
        self.reading("store.changed_jobs", self.inner.changed_jobs(query)).await
    }

    async fn jobs_ahead(&self, job: &Job) -> Result<u32> {
        self.reading("store.jobs_ahead", self.inner.jobs_ahead(job)).await
    }

    async fn recordings(&self, uid: &Uid, ids: &[RecordingId]) -> Result<Vec<Option<Recording>>> {
        self.reading("store.recordings", self.inner.recordings(uid, ids)).await
    }

    async fn levels(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Levels>> {
        self.reading("store.levels", self.inner.levels(uid, recording)).await
    }

    async fn lines(&self, uid: &Uid, recording: RecordingId, starts: &[u32]) -> Result<Vec<Line>> {
        self.reading("store.lines", self.inner.lines(uid, recording, starts)).await
    }
}

#[async_trait]
impl<P: LibraryStore + ?Sized, F: Fault> LibraryStore for Faulty<P, F> {
    async fn peaks(&self, uid: &Uid, recording: RecordingId) -> Result<Option<Peaks>> {
        self.reading("store.peaks", self.inner.peaks(uid, recording)).await
    }

    async fn conversation(&self, query: &LineQuery) -> Result<Option<ConversationPage>> {
        self.reading("store.conversation", self.inner.conversation(query)).await
    }

    async fn conversations(&self, query: &ConversationQuery) -> Result<Vec<Conversation>> {
        self.reading("store.conversations", self.inner.conversations(query)).await
    }

    async fn delete_conversation(&self, uid: &Uid, id: ConversationId, at: At<'_>) -> Result<bool> {
        self.writing("store.delete_conversation", self.inner.delete_conversation(uid, id, at)).await
    }

    async fn usage(&self, uid: &Uid, from: Timestamp, to: Timestamp, limit: usize) -> Result<Vec<Bucket>> {
        self.reading("store.usage", self.inner.usage(uid, from, to, limit)).await
    }
}

#[async_trait]
impl<P: DeviceStore + ?Sized, F: Fault> DeviceStore for Faulty<P, F> {
    async fn put_device(&self, device: &Device) -> Result<()> {
        self.writing("store.put_device", self.inner.put_device(device)).await
    }

    async fn delete_device(&self, uid: &Uid, id: &DeviceId) -> Result<()> {
        self.writing("store.delete_device", self.inner.delete_device(uid, id)).await
    }

    async fn devices(&self, uid: &Uid) -> Result<Vec<Device>> {
        self.reading("store.devices", self.inner.devices(uid)).await
    }

    async fn drop_token(&self, uid: &Uid, id: &DeviceId, token: &str) -> Result<()> {
        self.writing("store.drop_token", self.inner.drop_token(uid, id, token)).await
    }
}

#[async_trait]
impl<P: MaintenanceStore + ?Sized, F: Fault> MaintenanceStore for Faulty<P, F> {
    async fn due_jobs(&self, now: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>> {
        self.reading("store.due_jobs", self.inner.due_jobs(now, page)).await
    }

    async fn due_beyond(&self, statuses: &[Status], beyond: Timestamp, page: Page<DueCursor>) -> Result<Vec<Job>> {
        self.reading("store.due_beyond", self.inner.due_beyond(statuses, beyond, page)).await
    }

    async fn stuck_users(&self, at: At<'_>, limit: usize) -> Result<Vec<Uid>> {
        self.reading("store.stuck_users", self.inner.stuck_users(at, limit)).await
    }

    async fn promote(&self, uid: &Uid, at: At<'_>) -> Result<Vec<Job>> {
        self.writing("store.promote", self.inner.promote(uid, at)).await
    }

    async fn remove_texts(&self, uid: &Uid, id: ConversationId, limit: usize) -> Result<Removed> {
        self.writing("store.remove_texts", self.inner.remove_texts(uid, id, limit)).await
    }

    async fn due_deletions(&self, now: Timestamp, page: &Page<DueDeletion>) -> Result<Vec<DueDeletion>> {
        self.reading("store.due_deletions", self.inner.due_deletions(now, page)).await
    }

    async fn jobs_with_audio(&self, ids: &[JobId]) -> Result<Vec<JobId>> {
        self.reading("store.jobs_with_audio", self.inner.jobs_with_audio(ids)).await
    }

    async fn job_stats(&self, now: Timestamp) -> Result<JobStats> {
        self.reading("store.census", self.inner.job_stats(now)).await
    }

    async fn ready(&self) -> Result<()> {
        self.reading("store.ready", self.inner.ready()).await
    }
}

/// Each command counts as an operation of its own.
fn name_of(command: &Command) -> &'static str {
    match command {
        Command::Enqueued { .. } => "store.step.enqueued",
        Command::TaskGone { .. } => "store.step.task_gone",
        Command::Promote => "store.step.promote",
        Command::SettleSlot => "store.step.settle_slot",
        Command::TakeSlot => "store.step.take_turn",
        Command::CorrectClock => "store.step.correct_clock",
        Command::Wake => "store.step.wake",
        Command::Claim { .. } => "store.step.claim",
        Command::Renew { .. } => "store.step.renew",
        Command::FileVerified { .. } => "store.step.file_verified",
        Command::FailFile { .. } => "store.step.fail_file",
        Command::PutBack { .. } => "store.step.put_back",
        Command::Postpone { .. } => "store.step.postpone",
        Command::Finish { .. } => "store.step.finish",
        Command::PushDone { .. } => "store.step.push_done",
        Command::PushLater { .. } => "store.step.push_later",
        Command::AudioGone { .. } => "store.step.audio_gone",
        Command::CleanedUp { .. } => "store.step.cleaned_up",
        Command::Recover => "store.step.recover",
        Command::WorkerGone { .. } => "store.step.worker_gone",
        Command::GiveUpWaiting => "store.step.give_up_waiting",
        Command::Cancel => "store.step.cancel",
        Command::Retry { .. } => "store.step.retry",
        Command::UploadsStarted { .. } => "store.step.uploads_started",
        Command::UploadsReplaced { .. } => "store.step.uploads_replaced",
        Command::ExpireUpload => "store.step.expire_upload",
        Command::Expire => "store.step.expire",
    }
}
