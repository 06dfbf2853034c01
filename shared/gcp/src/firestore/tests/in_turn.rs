//! Two processes alternate with every operation: one has changed what the other has cached.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use domain::accept::Batch;
use domain::checkpoint::Checkpoint;
use domain::job::Status;
use domain::placement::Group;
use domain::planning::FilePlan;
use domain::session::{SessionRequest, WholeFile};
use domain::{
    Bucket, Command, Conversation, ConversationId, DeviceId, Job, JobId, Levels, Line, Peaks, Recording, RecordingId,
    Timestamp, Uid,
};
use flow::Result;
use flow::ports::{
    At, ChangeQuery, ConversationPage, ConversationQuery, Created, Device, DeviceStore, DueCursor, DueDeletion,
    JobQuery, JobStats, JobStore, LibraryStore, LineQuery, MaintenanceStore, Opened, Page, Removed, SessionCompleted,
    Stepped, Store, Withdrawn, Written,
};
use testkit::Harness;
use testkit::build::{batch_as, job_id, phone, speech, uid};
use testkit::contract::Fresh;

use crate::firestore::{FirestoreStore, Settings};

struct InTurn {
    processes: [FirestoreStore; 2],
    operations: AtomicUsize,
}

impl InTurn {
    fn new(settings: Settings) -> Self {
        let processes = [FirestoreStore::new(settings.clone()), FirestoreStore::new(settings)];
        Self { processes, operations: AtomicUsize::new(0) }
    }

    fn next(&self) -> &FirestoreStore {
        &self.processes[self.operations.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

macro_rules! in_turn {
    ($store:ident: $(fn $name:ident($($argument:ident: $of:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $store for InTurn {
            $(async fn $name(&self, $($argument: $of),*) -> Result<$answer> {
                self.next().$name($($argument),*).await
            })*
        }
    };
}

in_turn! {
    JobStore:
    fn create_job(batch: &Batch, at: At<'_>) -> Created;
    fn withdraw_batch(batch: &Batch, at: At<'_>) -> Withdrawn;
    fn open_session(request: &SessionRequest, at: At<'_>) -> Opened;
    fn complete_session(id: JobId, whole: &[WholeFile], at: At<'_>) -> SessionCompleted;
    fn step(id: JobId, command: &Command, at: At<'_>) -> Stepped;
    fn plan_file(id: JobId, plan: &FilePlan, at: At<'_>) -> Written<(Job, Recording)>;
    fn save_checkpoint(id: JobId, checkpoint: &Checkpoint, at: At<'_>) -> Written<Job>;
    fn checkpoint(id: JobId, index: usize) -> Option<Vec<u8>>;
    fn store_texts(id: JobId, fence: u64, lines: Vec<Line>, at: At<'_>) -> Written<Vec<Line>>;
    fn place(id: JobId, group: &Group, at: At<'_>) -> Written<(Job, Recording)>;
    fn job(id: JobId) -> Option<Job>;
    fn jobs(query: &JobQuery) -> Vec<Job>;
    fn changed_jobs(query: &ChangeQuery) -> Vec<Job>;
    fn jobs_ahead(job: &Job) -> u32;
    fn recordings(uid: &Uid, ids: &[RecordingId]) -> Vec<Option<Recording>>;
    fn levels(uid: &Uid, recording: RecordingId) -> Option<Levels>;
    fn lines(uid: &Uid, recording: RecordingId, starts: &[u32]) -> Vec<Line>;
}

in_turn! {
    LibraryStore:
    fn peaks(uid: &Uid, recording: RecordingId) -> Option<Peaks>;
    fn conversation(query: &LineQuery) -> Option<ConversationPage>;
    fn conversations(query: &ConversationQuery) -> Vec<Conversation>;
    fn delete_conversation(uid: &Uid, id: ConversationId, at: At<'_>) -> bool;
    fn usage(uid: &Uid, from: Timestamp, to: Timestamp, limit: usize) -> Vec<Bucket>;
}

in_turn! {
    DeviceStore:
    fn put_device(device: &Device) -> ();
    fn delete_device(uid: &Uid, id: &DeviceId) -> ();
    fn devices(uid: &Uid) -> Vec<Device>;
    fn drop_token(uid: &Uid, id: &DeviceId, token: &str) -> ();
}

in_turn! {
    MaintenanceStore:
    fn due_jobs(now: Timestamp, page: Page<DueCursor>) -> Vec<Job>;
    fn due_beyond(of: &[Status], beyond: Timestamp, page: Page<DueCursor>) -> Vec<Job>;
    fn stuck_users(at: At<'_>, limit: usize) -> Vec<Uid>;
    fn promote(uid: &Uid, at: At<'_>) -> Vec<Job>;
    fn remove_texts(uid: &Uid, id: ConversationId, limit: usize) -> Removed;
    fn due_deletions(now: Timestamp, page: &Page<DueDeletion>) -> Vec<DueDeletion>;
    fn jobs_with_audio(ids: &[JobId]) -> Vec<JobId>;
    fn job_stats(now: Timestamp) -> JobStats;
    fn ready() -> ();
}

fn fresh() -> Fresh<dyn Store> {
    match super::settings() {
        Ok(settings) => Fresh::from(Arc::new(InTurn::new(settings)) as Arc<dyn Store>),
        Err(why) => Fresh::missing(why),
    }
}

testkit::store_contract!(async || fresh());

/// One process works on a job that another process cancels: the first one's cache decides nothing.
#[tokio::test]
async fn changes_of_another_process_are_seen_by_next_write() {
    let settings = match super::settings() {
        Ok(settings) => settings,
        Err(why) => testkit::skip!(why),
    };
    let ours = Arc::new(FirestoreStore::new(settings.clone()));
    let harness = Harness::new(ours.clone());
    let theirs = FirestoreStore::new(settings);
    let job = harness.accept(&uid("ann"), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let fence = job.lease.fence;
    // Nothing is read for a step that follows one of the same process.
    let before = ours.client.spent.so_far();
    harness.pass(std::time::Duration::from_secs(1));
    harness.done(job.id, Command::Renew { fence }).await;
    assert_eq!(ours.client.spent.so_far(), (before.0, before.1 + 1));

    let cancelled = theirs.step(job.id, &Command::Cancel, harness.at()).await.unwrap();
    assert!(matches!(cancelled, Stepped::Done { .. }), "{cancelled:?}");
    let reconnect = ours.step(job.id, &Command::Renew { fence }, harness.at()).await.unwrap();
    assert!(matches!(reconnect, Stepped::Refused { .. }), "{reconnect:?}");
    let planned = harness.try_plan(&job, 0, speech(&[(0, 900)])).await;
    assert!(matches!(planned, Written::Fenced(_)), "{planned:?}");
    assert_eq!(harness.job(job.id).await.status, Status::Cancelled);
}

#[expect(clippy::disallowed_methods, reason = "the emulator stamps documents with the time of this machine")]
fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_secs(since_1970.as_secs().cast_signed())
}

/// Another process has put the job in line, and this one still has the copy with the provisional slot.
#[tokio::test]
async fn out_of_date_copy_of_a_job_keeps_no_slot() {
    let settings = match super::settings() {
        Ok(settings) => settings,
        Err(why) => testkit::skip!(why),
    };
    let ours = Arc::new(FirestoreStore::new(settings.clone()));
    let harness = Harness::new(ours.clone());
    let theirs = FirestoreStore::new(settings);
    for n in 1..=u64::from(harness.rules.enqueued_per_user) {
        harness.accept_batch(&batch_as(job_id(n), &uid("ann"), &[phone(n.cast_signed())])).await;
    }
    // A job of a moment ago, by the clock of Firestore.
    harness.clock.set(now());
    harness.create(&batch_as(job_id(9), &uid("ann"), &[phone(0)])).await;
    let last = harness.job(job_id(9)).await;
    assert!(last.holds_provisional_slot());
    let settled = theirs.step(last.id, &Command::SettleSlot, harness.at()).await.unwrap();
    assert!(matches!(settled, Stepped::Done { ref job, .. } if job.waits_for_slot()), "{settled:?}");
    let settled = ours.step(last.id, &Command::SettleSlot, harness.at()).await.unwrap();
    assert!(matches!(settled, Stepped::Done { ref job, .. } if job.waits_for_slot()), "{settled:?}");
}
