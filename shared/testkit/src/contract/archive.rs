//! The archive's contract: what is exported from one store and imported into another reads the same there.

use std::sync::Arc;

use domain::placement::Answer;
use domain::planning::Heard;
use domain::{FileStatus, Levels, Recording, RecordingExtras, Status, Uid};
use flow::ports::archive::{Archive, MAX_IMPORT, Record, RecordKey};
use flow::ports::{Created, Page, Store};
use flow::{Kind, error::Error};

use crate::build::{batch, conversation_id, phone, speech, uid};
use crate::harness::Harness;
use crate::memory;

/// A store whose lasting data can be exported.
pub trait ArchivedStore: Store + Archive {}

impl<S: Store + Archive> ArchivedStore for S {}

fn ann() -> Uid {
    uid("ann")
}

fn bob() -> Uid {
    uid("bob")
}

/// All records of a user, exported in pages of this size.
async fn exported(from: &dyn Archive, uid: &Uid, page: usize) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let next = from.export(uid, all.last().map(Record::key), page).await.unwrap();
        assert!(next.len() <= page);
        if next.is_empty() {
            return all;
        }
        all.extend(next);
    }
}

async fn everybody(from: &dyn Archive) -> Vec<Uid> {
    let mut users = from.users(None, 1000).await.unwrap();
    users.sort();
    users
}

/// How many records were written, and how many were known already.
async fn import_all(into: &dyn Archive, uid: &Uid, records: &[Record]) -> (u64, u64) {
    let (mut written, mut known) = (0, 0);
    for records in records.chunks(MAX_IMPORT) {
        let imported = into.import(uid, records).await.unwrap();
        assert_eq!(imported.conflicts, []);
        written += imported.written;
        known += imported.known;
    }
    (written, known)
}

/// A history with everything in it: two days, a merge, an attached recording, a finished deletion with its stubs, an
/// unfinished deletion, silence, and a recording that nobody finished.
async fn history(store: Arc<dyn Store>, uid: &Uid) -> Harness {
    let harness = Harness::new(store);
    harness.transcribe(uid, &phone(0), &[(0, 900, "good morning"), (2000, 2900, "how are you")]).await;
    harness.transcribe(uid, &phone(200), &[(0, 1000, "late")]).await;
    harness.transcribe(uid, &phone(100), &[(0, 1000, "a bridge")]).await;
    let mut attached = batch(uid, &[phone(9000)]);
    attached.conversation_id = Some(conversation_id(5));
    harness.transcribe_batch(&attached, &[&[(0, 900, "attached")]]).await;
    harness.pass(std::time::Duration::from_secs(7200));
    for (secs, text) in [(20_000, "forgotten"), (30_000, "to be forgotten")] {
        let job = harness.transcribe(uid, &phone(secs), &[(0, 900, text)]).await;
        assert!(harness.delete(uid, job.new_conversation_ids[0]).await);
        if secs == 20_000 {
            harness.forget(uid, job.new_conversation_ids[0], 10).await;
        }
    }
    let silent = harness.accept(uid, &[phone(40_000)]).await;
    let silent = harness.claim(silent.id).await;
    harness.plan(&silent, 0, speech(&[])).await;
    let unfinished = harness.accept(uid, &[phone(50_000)]).await;
    let unfinished = harness.claim(unfinished.id).await;
    harness.plan(&unfinished, 0, speech(&[(0, 900), (2000, 2900)])).await;
    harness.say(&unfinished, 0, &[(0, "the first half")]).await;
    harness
}

/// Everything that a user can read.
async fn visible(harness: &Harness, uid: &Uid) -> impl PartialEq + std::fmt::Debug {
    let mut pages = Vec::new();
    for conversation in harness.conversations(uid).await {
        pages.push(harness.page(uid, conversation.id).await);
    }
    (pages, harness.usage(uid).await)
}

pub async fn records_are_equal_after_import_into_another_kind_of_store_and_back(store: Arc<dyn ArchivedStore>) {
    let other = Arc::new(memory::Store::new());
    let harness = history(other.clone(), &ann()).await;
    let records = exported(&*other, &ann(), 1000).await;
    for kind in [
        |record: &Record| {
            matches!(record, Record::Recording { extras: RecordingExtras { peaks: Some(_), levels: Some(_) }, .. })
        },
        |record: &Record| matches!(record, Record::Line(line) if line.stub),
        |record: &Record| matches!(record, Record::Conversation(one) if one.merged_into.is_some()),
        |record: &Record| matches!(record, Record::Conversation(one) if one.due_at.is_some()),
        |record: &Record| matches!(record, Record::Usage(_)),
    ] {
        assert!(records.iter().any(kind), "the history contains every kind of record");
    }
    assert_eq!(import_all(&*store, &ann(), &records).await, (records.len() as u64, 0));
    assert_eq!(exported(&*store, &ann(), 1000).await, records);
    let there = Harness::new(store.clone());
    assert_eq!(format!("{:?}", visible(&there, &ann()).await), format!("{:?}", visible(&harness, &ann()).await));
    let back = memory::Store::new();
    import_all(&back, &ann(), &exported(&*store, &ann(), 7).await).await;
    assert_eq!(back.all_conversations(&ann()), other.all_conversations(&ann()));
    assert_eq!(back.all_lines(&ann()), other.all_lines(&ann()));
}

pub async fn export_is_complete_and_in_order_for_any_page_size(store: Arc<dyn ArchivedStore>) {
    history(store.clone(), &ann()).await;
    let other = Arc::new(memory::Store::new());
    history(other.clone(), &ann()).await;
    let all = exported(&*store, &ann(), 1000).await;
    assert!(all.windows(2).all(|pair| pair[0].key() < pair[1].key()));
    let places = |records: &[Record]| records.iter().map(Record::key).collect::<Vec<RecordKey>>();
    assert_eq!(places(&all), places(&exported(&*other, &ann(), 1000).await));
    for page in [1, 2, 3, 5] {
        assert_eq!(exported(&*store, &ann(), page).await, all, "pages of {page}");
    }
}

pub async fn repeated_import_changes_nothing(store: Arc<dyn ArchivedStore>) {
    let other = Arc::new(memory::Store::new());
    history(other.clone(), &ann()).await;
    let records = exported(&*other, &ann(), 1000).await;
    // The first import broke off halfway.
    import_all(&*store, &ann(), &records[..records.len() / 2]).await;
    let all = records.len() as u64;
    assert_eq!(import_all(&*store, &ann(), &records).await, (all - all / 2, all / 2));
    assert_eq!(import_all(&*store, &ann(), &records).await, (0, all));
    assert_eq!(exported(&*store, &ann(), 1000).await, records);
}

pub async fn existing_record_that_differs_is_reported_and_kept(store: Arc<dyn ArchivedStore>) {
    let other = Arc::new(memory::Store::new());
    history(other.clone(), &ann()).await;
    let records = exported(&*other, &ann(), 1000).await;
    import_all(&*store, &ann(), &records).await;
    let changed: Vec<_> = records.iter().cloned().map(changed).collect();
    let mut named = Vec::new();
    for changed in changed.chunks(MAX_IMPORT) {
        let imported = store.import(&ann(), changed).await.unwrap();
        assert_eq!((imported.written, imported.known), (0, 0));
        named.extend(imported.conflicts);
    }
    assert_eq!(named, records.iter().map(Record::key).collect::<Vec<_>>());
    assert_eq!(exported(&*store, &ann(), 1000).await, records);
}

fn changed(record: Record) -> Record {
    match record {
        Record::Recording { mut recording, extras } => {
            recording.facts.duration_ms += 1;
            Record::Recording { recording, extras }
        }
        Record::Line(mut line) => {
            line.words += 1;
            Record::Line(line)
        }
        Record::Conversation(mut one) => {
            one.locked = !one.locked;
            Record::Conversation(one)
        }
        Record::Usage(mut bucket) => {
            bucket.usage.words += 1;
            Record::Usage(bucket)
        }
        Record::Unreadable(_) => panic!("nothing here is damaged"),
    }
}

pub async fn different_last_job_of_a_recording_is_not_reported_as_a_difference(store: Arc<dyn ArchivedStore>) {
    let harness = Harness::new(store.clone());
    harness.transcribe(&ann(), &phone(0), &[(0, 900, "hello")]).await;
    let records = exported(&*store, &ann(), 1000).await;
    let other_job = |record: Record| match record {
        Record::Recording { recording, extras } => {
            let recording = Recording { latest_job: crate::build::job_id(404), ..*recording };
            Record::Recording { recording: Box::new(recording), extras }
        }
        other => other,
    };
    let imported = store.import(&ann(), &records.iter().cloned().map(other_job).collect::<Vec<_>>()).await.unwrap();
    assert_eq!((imported.written, imported.known), (0, records.len() as u64));
    assert_eq!(exported(&*store, &ann(), 1000).await, records);
}

pub async fn users_are_exported_and_imported_separately(store: Arc<dyn ArchivedStore>) {
    // User ids that an adapter has to escape or hash.
    let long = uid(&"é".repeat(60));
    let users = [ann(), bob(), uid("a.b c"), uid("__ann__"), long];
    let other = Arc::new(memory::Store::new());
    for user in &users {
        Harness::new(other.clone()).transcribe(user, &phone(0), &[(0, 900, user.as_str())]).await;
    }
    assert_eq!(everybody(&*store).await, []);
    for user in &users {
        import_all(&*store, user, &exported(&*other, user, 2).await).await;
        assert_eq!(exported(&*store, user, 2).await, exported(&*other, user, 2).await);
    }
    assert_eq!(everybody(&*store).await, everybody(&*other).await);
    for page in [1, 2, 3] {
        let mut paged: Vec<Uid> = Vec::new();
        loop {
            let next = store.users(paged.last(), page).await.unwrap();
            if next.is_empty() {
                break;
            }
            paged.extend(next);
        }
        assert_eq!(paged, store.users(None, 1000).await.unwrap(), "pages of {page}");
    }
    assert_eq!(exported(&*store, &uid("nobody"), 10).await, []);
}

pub async fn records_of_another_user_or_too_many_are_refused(store: Arc<dyn ArchivedStore>) {
    let other = Arc::new(memory::Store::new());
    history(other.clone(), &ann()).await;
    let records = exported(&*other, &ann(), 1000).await;
    let refused = |error: Error| assert_eq!(error.kind, Kind::Invalid);
    refused(store.import(&bob(), &records[..1]).await.unwrap_err());
    let many: Vec<_> = records.iter().cycle().take(MAX_IMPORT + 1).cloned().collect();
    refused(store.import(&ann(), &many).await.unwrap_err());
    assert_eq!(everybody(&*store).await, []);
}

/// Uploads the same audio again, to the store that imported it.
async fn again(harness: &Harness, secs: i64) -> (domain::Job, bool) {
    match harness.create(&batch(&ann(), &[phone(secs)])).await {
        Created::New { job, deduplicated } => (job, deduplicated),
        answered => panic!("no job of the other store exists here: {answered:?}"),
    }
}

pub async fn known_audio_is_not_transcribed_again_in_the_new_store(store: Arc<dyn ArchivedStore>) {
    let other = Arc::new(memory::Store::new());
    history(other.clone(), &ann()).await;
    import_all(&*store, &ann(), &exported(&*other, &ann(), 1000).await).await;
    let harness = Harness::new(store.clone());
    let before = format!("{:?}", visible(&harness, &ann()).await);
    for secs in [0, 200, 9000, 20_000, 30_000] {
        let (job, deduplicated) = again(&harness, secs).await;
        assert_eq!((job.status, deduplicated), (Status::Completed, true), "{secs}");
    }
    assert_eq!(format!("{:?}", visible(&harness, &ann()).await), before);
}

pub async fn unfinished_recording_goes_on_in_the_new_store(store: Arc<dyn ArchivedStore>) {
    let other = Arc::new(memory::Store::new());
    history(other.clone(), &ann()).await;
    import_all(&*store, &ann(), &exported(&*other, &ann(), 1000).await).await;
    let harness = Harness::new(store.clone());
    let before = harness.usage(&ann()).await;
    let (job, deduplicated) = again(&harness, 50_000).await;
    assert!(!deduplicated);
    let job = harness.claim(job.id).await;
    // The plan of the exporting store stands, whatever is heard now.
    let (_, recording) = harness.plan(&job, 0, speech(&[(0, 5000)])).await;
    assert_eq!(recording.plan.as_ref().map(|plan| plan.segments().len()), Some(2));
    harness.say(&job, 0, &[(2000, "the second half")]).await;
    assert_eq!(harness.finish(&job).await.status, Status::Completed);
    assert_eq!(harness.usage(&ann()).await.segments, before.segments + 1);
    assert_eq!(harness.talk(&ann()).await.last().unwrap(), &["the first half", "the second half"]);
}

pub async fn deleted_conversation_stays_deleted_in_the_new_store(store: Arc<dyn ArchivedStore>) {
    let other = Arc::new(memory::Store::new());
    let harness = Harness::new(other.clone());
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, speech(&[(0, 900), (2000, 2900)])).await;
    harness.say(&job, 0, &[(0, "a secret")]).await;
    let gone = harness.conversations(&ann()).await[0].id;
    assert!(harness.delete(&ann(), gone).await);
    import_all(&*store, &ann(), &exported(&*other, &ann(), 1000).await).await;

    let harness = Harness::new(store.clone());
    assert_eq!((harness.talk(&ann()).await.len(), harness.page(&ann(), gone).await), (0, None));
    let due = store.due_deletions(harness.now(), &Page::first(10)).await.unwrap();
    assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [gone], "its texts are still to be removed");
    let usage = harness.usage(&ann()).await;
    let (job, _) = again(&harness, 0).await;
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, speech(&[])).await;
    harness.store(&job, 0, &[(2000, "the rest of it")]).await;
    harness.place(&job, 0, &[(2000, Answer::Text)]).await;
    assert_eq!(harness.finish(&job).await.status, Status::Completed);
    assert_eq!((harness.talk(&ann()).await.len(), harness.usage(&ann()).await), (0, usage), "consumed quietly");
    assert_eq!(harness.forget(&ann(), gone, 10).await, 1);
    assert!(store.lines(&ann(), job.files[0].recording, &[0, 2000]).await.unwrap().iter().all(|line| line.stub));
}

/// A recording found silent by rules that missed quieter speech is not final: if it is uploaded again, it is listened
/// to again.
pub async fn recording_found_silent_by_earlier_rules_is_listened_to_again(store: Arc<dyn ArchivedStore>) {
    let other = Arc::new(memory::Store::new());
    let harness = Harness::new(other.clone());
    for secs in [0, 600] {
        let job = harness.accept(&ann(), &[phone(secs)]).await;
        let job = harness.claim(job.id).await;
        harness.plan(&job, 0, Heard::Silence).await;
        assert_eq!(harness.finish(&job).await.status, Status::Completed);
    }
    let earlier = |record: Record| match record {
        Record::Recording { mut recording, extras } => {
            recording.facts.heard_by = 0;
            Record::Recording { recording, extras }
        }
        other => other,
    };
    let records: Vec<_> = exported(&*other, &ann(), 1000).await.into_iter().map(earlier).collect();
    import_all(&*store, &ann(), &records).await;

    let harness = Harness::new(store.clone());
    let session = harness.session(&ann(), &[phone(0)]).await;
    assert!(session.files[0].needs_bytes());
    let (job, deduplicated) = again(&harness, 0).await;
    assert_eq!((job.status, job.files[0].status, deduplicated), (Status::Queued, FileStatus::Queued, false));
    let job = harness.claim(job.id).await;
    let (_, recording) = harness.work(&job, 0, &[(0, 900, "whispered")]).await;
    assert_eq!(recording.facts.heard_by, Levels::RULES);
    assert_eq!(harness.finish(&job).await.status, Status::Completed);
    assert_eq!(harness.usage(&ann()).await.segments, 1);

    let (job, _) = again(&harness, 600).await;
    let job = harness.claim(job.id).await;
    let (job, _) = harness.plan(&job, 0, Heard::Silence).await;
    assert_eq!(job.files[0].status, FileStatus::Silent);
    let ended = harness.finish(&job).await;
    let known = harness.create(&batch(&ann(), &[phone(600)])).await;
    assert!(
        matches!(&known, Created::Answered(job) if job.id == ended.id),
        "the recording is known from now on: {known:?}"
    );
}

/// The tests of a store that is also an archive.
#[macro_export]
macro_rules! archive_contract {
    ($make:expr) => {
        $crate::contract_tests! { archive_contract of archive, $make, [
            records_are_equal_after_import_into_another_kind_of_store_and_back,
            export_is_complete_and_in_order_for_any_page_size,
            repeated_import_changes_nothing,
            existing_record_that_differs_is_reported_and_kept,
            different_last_job_of_a_recording_is_not_reported_as_a_difference,
            users_are_exported_and_imported_separately,
            records_of_another_user_or_too_many_are_refused,
            known_audio_is_not_transcribed_again_in_the_new_store,
            unfinished_recording_goes_on_in_the_new_store,
            deleted_conversation_stays_deleted_in_the_new_store,
            recording_found_silent_by_earlier_rules_is_listened_to_again,
        ] }
    };
}
