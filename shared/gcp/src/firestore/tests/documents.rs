//! The stored documents: none is too large, however long a recording is, and no path contains a secret.

use domain::RecordingExtras;
use domain::job_file::FailedSegment;
use domain::placement::Answer;
use firestore::gcloud_sdk::google::firestore::v1::Document;
use firestore::gcloud_sdk::prost::Message;
use flow::ports::{DeviceStore, JobStore, MaintenanceStore, Page};
use testkit::Harness;
use testkit::build::{conversation_id, device, phone, speech, uid};
use tokio::time::Instant;

use super::store_or_skip;
use crate::firestore::path::{PARTS, Path, RECORDINGS};
use crate::firestore::table::{jobs, recordings};
use crate::firestore::unit_of_work::{Mode, Unit};

/// The service's limit is one mebibyte; we stay below three quarters of it.
const LARGEST: usize = 768 * 1024;

async fn read(store: &crate::firestore::FirestoreStore, path: &Path) -> Option<Document> {
    let deadline = Instant::now() + store.client.settings.operation;
    Unit::new(&store.client, Mode::Look, Vec::new(), deadline).one(path).await.unwrap()
}

/// This many segments of one second each, with one second between them.
fn spans(count: u32) -> Vec<(u32, u32)> {
    (0..count).map(|n| (n * 2000, n * 2000 + 1000)).collect()
}

#[tokio::test]
async fn more_than_a_day_of_speech_fits() {
    let store = store_or_skip!();
    let (harness, ann) = (Harness::new(store.clone()), uid("ann"));
    let job = harness.accept(&ann, &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let count = 120_000;
    let (_, planned) = harness.plan(&job, 0, speech(&spans(count))).await;
    assert_eq!(harness.recording(&job, 0).await, planned);
    // The first and the last part of the plan are marked, and each mark is read back.
    let last = (count - 1) * 2000;
    harness.say(&job, 0, &[(0, "the first"), (last, "the last")]).await;
    let (_, recording) = harness.place(&job, 0, &[(2000, Answer::EmptyOnce)]).await;
    assert_eq!(harness.recording(&job, 0).await, recording);
    let counts = recording.plan.as_ref().unwrap().counts();
    assert_eq!((counts.segments, counts.placed), (count, 2));
    let mut sizes = Vec::new();
    let whole = Path::recording(&ann, planned.id);
    for path in [whole.clone(), Path::plan_part(&ann, planned.id, 1), Path::plan_part(&ann, planned.id, 2)] {
        sizes.push(read(&store, &path).await.unwrap().encoded_len());
    }
    println!("a plan of {count} segments: {sizes:?} bytes");
    assert!(sizes.iter().all(|size| *size < LARGEST), "{sizes:?}");
    assert!(read(&store, &Path::plan_part(&ann, planned.id, 3)).await.is_none());
    assert_eq!((whole.collection(), Path::plan_part(&ann, planned.id, 1).collection()), (RECORDINGS, PARTS));
}

#[tokio::test]
async fn job_with_every_segment_failed_fits() {
    let store = store_or_skip!();
    let harness = Harness::new(store.clone());
    let job = harness.accept(&uid("ann"), &[phone(0), phone(90_000)]).await;
    let mut long = job.clone();
    let failed = |(start_ms, _): (u32, u32)| FailedSegment { start_ms, refused: start_ms % 3 == 0 };
    long.files[0].failed = spans(43_200).into_iter().map(failed).collect();
    long.files[1].failed = spans(50_000).into_iter().map(failed).collect();
    let deadline = Instant::now() + store.client.settings.operation;
    let mut unit = Unit::new(&store.client, Mode::Optimistic, Vec::new(), deadline);
    assert_eq!(jobs::load(&mut unit, job.id).await.unwrap().as_ref(), Some(&job));
    jobs::update(&mut unit, &job, &long).unwrap();
    unit.commit().await.unwrap();
    assert_eq!(store.job(job.id).await.unwrap(), Some(long));
    let size = read(&store, &Path::job(job.id)).await.unwrap().encoded_len();
    println!("93,200 failed segments: {size} bytes");
    assert!(size < LARGEST, "{size}");
}

/// This many ids of conversations that do not exist.
fn talks(count: u64) -> Vec<domain::ConversationId> {
    (0..count).map(conversation_id).collect()
}

#[tokio::test]
async fn job_with_weeks_of_short_talks_fits() {
    let store = store_or_skip!();
    let harness = Harness::new(store.clone());
    let job = harness.accept(&uid("ann"), &[phone(0), phone(90_000)]).await;
    let mut long = job.clone();
    let all = talks(30_000);
    long.files[0].conversation_ids = all[..20_000].to_vec();
    long.files[1].conversation_ids = all[15_000..].iter().rev().copied().collect();
    long.updated_conversation_ids = all[29_000..].to_vec();
    long.new_conversation_ids = all[..29_000].to_vec();
    long.result = Some(domain::job::JobResult {
        new_conversation_ids: long.new_conversation_ids.clone(),
        updated_conversation_ids: long.updated_conversation_ids.clone(),
        failed_segments: 0,
        total_segments: 30_000,
        transcribed_ms: 1,
    });
    let deadline = Instant::now() + store.client.settings.operation;
    let mut unit = Unit::new(&store.client, Mode::Optimistic, Vec::new(), deadline);
    assert_eq!(jobs::load(&mut unit, job.id).await.unwrap().as_ref(), Some(&job));
    jobs::update(&mut unit, &job, &long).unwrap();
    unit.commit().await.unwrap();
    assert!(store.job(job.id).await.unwrap() == Some(long));
    let size = read(&store, &Path::job(job.id)).await.unwrap().encoded_len();
    println!("30,000 conversations: {size} bytes");
    assert!(size < LARGEST, "{size}");
}

#[tokio::test]
async fn recording_with_weeks_of_short_talks_fits() {
    let store = store_or_skip!();
    let (harness, ann) = (Harness::new(store.clone()), uid("ann"));
    let job = harness.accept(&ann, &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let spans: Vec<_> = (0..30_000).map(|n| (n * 130_000, n * 130_000 + 9_000)).collect();
    let (_, mut recording) = harness.plan(&job, 0, speech(&spans)).await;
    let deadline = Instant::now() + store.client.settings.operation;
    let mut unit = Unit::new(&store.client, Mode::Optimistic, Vec::new(), deadline);
    let (_, before) = recordings::load_one(&mut unit, &ann, recording.id).await.unwrap();
    recording.conversation_ids = talks(30_000);
    let recording = recordings::save(&mut unit, recording, &RecordingExtras::default(), &before).unwrap();
    unit.commit().await.unwrap();
    assert!(harness.recording(&job, 0).await == recording);
    let size = read(&store, &Path::recording(&ann, recording.id)).await.unwrap().encoded_len();
    println!("30,000 segments in as many conversations: {size} bytes");
    assert!(size < LARGEST, "{size}");
    // One more id is a change, even if nothing else changed.
    let mut unit = Unit::new(&store.client, Mode::Optimistic, Vec::new(), deadline);
    let (more, before) = recordings::load_one(&mut unit, &ann, recording.id).await.unwrap();
    let mut more = more.unwrap();
    recordings::save(&mut unit, more.clone(), &RecordingExtras::default(), &before).unwrap();
    assert!(unit.writes_nothing());
    more.conversation_ids.push(conversation_id(30_000));
    recordings::save(&mut unit, more, &RecordingExtras::default(), &before).unwrap();
    assert!(!unit.writes_nothing());
}

#[tokio::test]
async fn unreadable_document_counts_as_missing_and_blocks_no_other() {
    let store = store_or_skip!();
    let (harness, ann) = (Harness::new(store.clone()), uid("ann"));
    let jobs = [harness.accept(&ann, &[phone(0)]).await, harness.accept(&ann, &[phone(500)]).await];
    let mut broken = read(&store, &Path::job(jobs[0].id)).await.unwrap();
    broken.fields.insert("body".into(), crate::firestore::value::bytes(b"{".to_vec()));
    let deadline = Instant::now() + store.client.settings.operation;
    let mut unit = Unit::new(&store.client, Mode::Optimistic, Vec::new(), deadline);
    unit.put(&Path::job(jobs[0].id), crate::firestore::value::Fields(broken.fields));
    unit.commit().await.unwrap();
    assert_eq!(store.job(jobs[0].id).await.unwrap(), None, "its client uploads again");
    harness.pass(std::time::Duration::from_secs(3600));
    for limit in [1, 10] {
        let due = store.due_jobs(harness.now(), Page::first(limit)).await.unwrap();
        assert_eq!(due, [jobs[1].clone()], "not even from a page of one");
    }
    let needed = store.jobs_with_audio(&[jobs[0].id, jobs[1].id]).await.unwrap();
    assert_eq!(needed, [jobs[0].id, jobs[1].id], "what cannot be read may need its audio");
}

#[tokio::test]
async fn replaced_token_leads_to_no_device() {
    let store = store_or_skip!();
    let ann = uid("ann");
    for token in ["first", "second"] {
        store.put_device(&device(&ann, "phone", token)).await.unwrap();
    }
    assert!(read(&store, &Path::token("first")).await.is_none());
    store.delete_device(&ann, &testkit::build::device_id("phone")).await.unwrap();
    assert!(read(&store, &Path::token("second")).await.is_none());
}
