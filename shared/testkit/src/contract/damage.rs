//! A damaged document affects nothing but itself. For stores whose documents somebody else may have overwritten.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::placement::Answer;
use domain::{Command, ConversationId, DeviceId, Job, JobId, RecordingId, Timestamp, Uid};
use flow::Kind;
use flow::ports::archive::{Record, RecordKey};
use flow::ports::{ChangeQuery, ConversationQuery, Created, JobCursor, JobQuery, LineQuery, Page, Stepped, Written};
use serde_json::{Value, json};

use super::archive::ArchivedStore;
use crate::build::{batch, device, phone, speech, uid};
use crate::harness::Harness;

/// A store, and a way to change its documents behind its back.
#[async_trait]
pub trait DamagedStore: Send + Sync + 'static {
    fn store(&self) -> Arc<dyn ArchivedStore>;

    /// Replaces the bytes of a document, which must exist.
    async fn change(&self, document: &Document, change: &(dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync));
}

/// A document, named by the ids that the domain uses.
#[derive(Clone, Debug)]
pub enum Document {
    Job(JobId),
    Recording(Uid, RecordingId),
    /// The packed plan stored beside the recording.
    Plan(Uid, RecordingId),
    Line(Uid, RecordingId, u32),
    Conversation(Uid, ConversationId),
    /// The word count of an hour of usage, as a decimal number in bytes. Anything that is not a number is written as
    /// another type where the store allows one.
    Usage(Uid, Timestamp),
    Device(Uid, DeviceId),
}

type Damage = (&'static str, fn(Vec<u8>) -> Vec<u8>);

fn edit(bytes: &[u8], edit: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(bytes).unwrap();
    edit(document.as_object_mut().unwrap());
    serde_json::to_vec(&document).unwrap()
}

/// Every way in which a JSON document can be unreadable.
const DAMAGES: &[Damage] = &[
    ("cut off", |bytes| bytes[..bytes.len() / 2].to_vec()),
    ("no JSON", |_| b"{\"id\":".to_vec()),
    ("empty", |_| Vec::new()),
    ("of another kind", |_| b"[1, 2, 3]".to_vec()),
    ("null", |_| b"null".to_vec()),
    ("a field is missing", |bytes| edit(&bytes, |fields| _ = fields.remove("uid"))),
    ("a field has another type", |bytes| edit(&bytes, |fields| _ = fields.insert("uid".into(), json!({"a": 1})))),
    ("a number is too large", |bytes| edit(&bytes, |fields| _ = fields.insert("created_at".into(), json!(1e300)))),
    ("not in UTF-8", |mut bytes| {
        let at = bytes.len() / 2;
        bytes[at] = 0xFF;
        bytes
    }),
];

/// Replaces the status by a word that no version knows.
fn unknown_word(bytes: Vec<u8>) -> Vec<u8> {
    edit(&bytes, |fields| {
        for name in ["status", "state"] {
            fields.entry(name).and_modify(|word| *word = json!("dreaming"));
        }
    })
}

fn newer(bytes: Vec<u8>) -> Vec<u8> {
    edit(&bytes, |fields| {
        fields.insert("uid".into(), json!({"name": "ann"}));
        fields.insert("document_format".into(), json!(1000));
    })
}

fn ann() -> Uid {
    uid("ann")
}

fn harness(damageable: &Arc<dyn DamagedStore>) -> Harness {
    Harness::new(damageable.store())
}

fn ids(jobs: &[Job]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

pub async fn damaged_job_is_left_out_of_lists_and_unknown_by_its_id(damageable: Arc<dyn DamagedStore>) {
    let (harness, store) = (harness(&damageable), damageable.store());
    let mut jobs = Vec::new();
    for n in 0..12 {
        jobs.push(harness.accept(&ann(), &[phone(n * 1000)]).await);
        harness.pass(Duration::from_millis(1));
    }
    let damages: Vec<_> = DAMAGES.iter().copied().chain([("an unknown status", unknown_word as fn(_) -> _)]).collect();
    let (damaged, sound) = jobs.split_at(damages.len());
    for (job, (_, way)) in damaged.iter().zip(&damages) {
        damageable.change(&Document::Job(job.id), way).await;
    }
    let (now, expected) = (harness.now(), sound.iter().rev().map(|job| job.id).collect::<Vec<_>>());
    for limit in [1, 2, 3, 5, 50] {
        let (mut after, mut listed) = (None, Vec::new());
        loop {
            let page = store.jobs(&JobQuery::all(&ann(), Page { after, limit }, now)).await.unwrap();
            listed.extend(ids(&page));
            let Some(last) = page.get(limit - 1) else { break };
            after = Some(JobCursor::of(last));
        }
        assert_eq!(listed, expected, "pages of {limit}");
        let query = ChangeQuery::of(&ann(), Timestamp::from_millis(0), Page::first(limit), now);
        let changed = store.changed_jobs(&query).await;
        assert_eq!(changed.unwrap().len(), limit.min(sound.len()));
    }
    for (job, (way, _)) in damaged.iter().zip(&damages) {
        assert_eq!(store.job(job.id).await.unwrap(), None, "{way}");
        assert_eq!(harness.step(job.id, &Command::Cancel).await, Stepped::NoSuchJob, "{way}");
    }
    assert_eq!(store.jobs_ahead(&sound[0]).await.unwrap(), u32::try_from(damages.len()).unwrap());
}

pub async fn sweep_and_job_stats_skip_damaged_jobs(damageable: Arc<dyn DamagedStore>) {
    let (harness, store) = (harness(&damageable), damageable.store());
    let mut jobs = Vec::new();
    for n in 0..4 {
        jobs.push(harness.accept(&uid(&format!("user {n}")), &[phone(n * 1000)]).await);
        harness.pass(Duration::from_secs(1));
    }
    for (job, (_, way)) in jobs[..3].iter().zip(DAMAGES) {
        damageable.change(&Document::Job(job.id), way).await;
    }
    harness.pass(Duration::from_secs(3600));
    assert_eq!(ids(&store.due_jobs(harness.now(), Page::first(2)).await.unwrap()), [jobs[3].id]);
    let job_stats = store.job_stats(harness.now()).await.unwrap();
    assert_eq!(job_stats.oldest_due, jobs[3].due_at, "an unreadable job does not hide the delay of others");
    assert_eq!(store.stuck_users(harness.at(), 10).await.unwrap(), []);
}

/// A damaged job does not block a new upload of its recordings, and its audio is kept: a person may want it.
pub async fn recordings_of_a_damaged_job_can_be_uploaded_again_and_its_audio_stays(damageable: Arc<dyn DamagedStore>) {
    let (harness, store) = (harness(&damageable), damageable.store());
    for (n, (way, damage)) in (0..).zip(DAMAGES) {
        let owner = uid(&format!("user {n}"));
        let first = harness.accept(&owner, &[phone(0), phone(60)]).await;
        damageable.change(&Document::Job(first.id), damage).await;
        let again = batch(&owner, &[phone(0), phone(60), phone(120)]);
        let Created::New { job, deduplicated: false } = harness.create(&again).await else {
            panic!("{way}: no new job")
        };
        assert_eq!(store.jobs_with_audio(&[first.id, job.id]).await.unwrap().len(), 2, "{way}");
        let job = harness.claim(job.id).await;
        for index in 0..3 {
            harness.work(&job, index, &[(0, 900, "said")]).await;
        }
        let done = harness.finish(&job).await;
        assert_eq!((done.status, harness.usage(&owner).await.segments), (domain::Status::Completed, 3), "{way}");
        let session = harness.session(&owner, &[phone(9000)]).await;
        damageable.change(&Document::Job(session.id), damage).await;
        assert_ne!(harness.session(&owner, &[phone(9000)]).await.id, session.id, "{way}: a session begins anew");
    }
}

/// Slots of jobs that can never end would be lost for ever.
pub async fn damaged_jobs_hold_no_slots(damageable: Arc<dyn DamagedStore>) {
    let (harness, store) = (harness(&damageable), damageable.store());
    let user_slots = i64::from(harness.rules.enqueued_per_user);
    let mut held = Vec::new();
    for n in 0..user_slots {
        held.push(harness.accept(&ann(), &[phone(n * 1000)]).await);
    }
    let waiting = harness.accept(&ann(), &[phone(50_000)]).await;
    assert!(held.iter().all(Job::holds_slot) && !waiting.holds_slot());
    for job in &held {
        damageable.change(&Document::Job(job.id), &|_| b"{".to_vec()).await;
    }
    assert_eq!(store.stuck_users(harness.at(), 10).await.unwrap(), [ann()]);
    assert_eq!(ids(&store.promote(&ann(), harness.at()).await.unwrap()), [waiting.id]);
    let next = harness.accept(&ann(), &[phone(60_000)]).await;
    assert!(next.holds_slot());
}

pub async fn damaged_waiting_job_does_not_keep_others_from_a_slot(damageable: Arc<dyn DamagedStore>) {
    let harness = harness(&damageable);
    let mut jobs = Vec::new();
    for n in 0..i64::from(harness.rules.enqueued_per_user) + 2 {
        jobs.push(harness.accept(&ann(), &[phone(n * 1000)]).await);
    }
    damageable.change(&Document::Job(jobs[jobs.len() - 2].id), &|_| Vec::new()).await;
    harness.done(jobs[0].id, Command::Cancel).await;
    assert!(harness.job(jobs[jobs.len() - 1].id).await.holds_slot());
}

/// Such a job is not damaged: a process of that version can read it. The caller is told to come again.
pub async fn a_job_of_a_newer_version_is_left_alone(damageable: Arc<dyn DamagedStore>) {
    let (harness, store) = (harness(&damageable), damageable.store());
    let (job, other) = (harness.accept(&ann(), &[phone(0)]).await, harness.accept(&ann(), &[phone(1000)]).await);
    damageable.change(&Document::Job(job.id), &newer).await;
    assert_eq!(ids(&store.jobs(&JobQuery::all(&ann(), Page::first(10), harness.now())).await.unwrap()), [other.id]);
    assert_eq!(store.job(job.id).await.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(store.step(job.id, &Command::Cancel, harness.at()).await.unwrap_err().kind, Kind::Unavailable);
    let again = batch(&ann(), &[phone(0)]);
    assert_eq!(store.create_job(&again, harness.at()).await.unwrap_err().kind, Kind::Unavailable);
    assert_eq!(store.jobs_with_audio(&[job.id]).await.unwrap(), [job.id]);
}

/// A recording that cannot be read is listened to again, and its segments that were placed before are neither placed
/// nor counted twice.
pub async fn damaged_recording_is_listened_to_again_but_placed_and_counted_once(damageable: Arc<dyn DamagedStore>) {
    let harness = harness(&damageable);
    let plans: &[Damage] =
        &[("a plan of nothing", |_| vec![0xFF]), ("a plan cut off", |bytes| bytes[..bytes.len() - 1].to_vec())];
    let damages = DAMAGES.iter().map(|way| (true, way)).chain(plans.iter().map(|way| (false, way)));
    for (n, (is_document, (way, damage))) in (0..).zip(damages) {
        let owner = uid(&format!("user {n}"));
        let spoken = [(0, 900, "one"), (2000, 2900, "two")];
        let job = harness.accept(&owner, &[phone(0), phone(9000)]).await;
        let job = harness.claim(job.id).await;
        harness.plan(&job, 0, speech(&[(0, 900), (2000, 2900)])).await;
        harness.say(&job, 0, &[(0, "one")]).await;
        let id = job.files[0].recording;
        let document =
            if is_document { Document::Recording(owner.clone(), id) } else { Document::Plan(owner.clone(), id) };
        damageable.change(&document, damage).await;
        let store = damageable.store();
        assert_eq!(store.recordings(&owner, &[id]).await.unwrap(), [None], "{way}");
        // The job that the worker holds goes on with the next delivery: its plan is written anew.
        let group = domain::placement::Group { fence: job.lease.fence, index: 0, answers: vec![(2000, Answer::Text)] };
        assert_eq!(store.place(job.id, &group, harness.at()).await.unwrap_err().kind, Kind::Corrupt, "{way}");
        harness.work(&job, 1, &[(0, 900, "beside it")]).await;
        harness.work(&job, 0, &spoken).await;
        let done = harness.finish(&job).await;
        assert_eq!((done.status, harness.usage(&owner).await.segments), (domain::Status::Completed, 3), "{way}");
        assert_eq!(harness.talk(&owner).await, [vec!["one", "two"], vec!["beside it"]], "{way}");
        // The same recording is uploaded again.
        damageable.change(&document, damage).await;
        let Created::New { job, deduplicated: false } = harness.create(&batch(&owner, &[phone(0), phone(9000)])).await
        else {
            panic!("{way}: it is not accepted again")
        };
        let job = harness.claim(job.id).await;
        harness.work(&job, 0, &spoken).await;
        assert_eq!(harness.usage(&owner).await.segments, 3, "{way}");
        assert_eq!(harness.talk(&owner).await, [vec!["one", "two"], vec!["beside it"]], "{way}");
        assert_eq!(harness.finish(&job).await.status, domain::Status::Completed, "{way}");
    }
}

pub async fn damaged_lines_are_left_out_of_their_conversation(damageable: Arc<dyn DamagedStore>) {
    let (harness, store) = (harness(&damageable), damageable.store());
    let spoken: Vec<_> = (0..8).map(|n| (n * 1000, n * 1000 + 900, "said")).collect();
    let job = harness.transcribe(&ann(), &phone(0), &spoken).await;
    let (id, recording) = (job.new_conversation_ids[0], job.files[0].recording);
    for (n, (_, damage)) in [(1, DAMAGES[0]), (2, DAMAGES[1]), (3, DAMAGES[6]), (7, DAMAGES[2])] {
        damageable.change(&Document::Line(ann(), recording, n * 1000), &damage).await;
    }
    let page = harness.page(&ann(), id).await.unwrap();
    assert_eq!(page.lines.iter().map(|line| line.start_ms).collect::<Vec<_>>(), [0, 4000, 5000, 6000]);
    for limit in [1, 2, 3] {
        let (mut after, mut read) = (None, Vec::new());
        loop {
            let query = LineQuery::of(&ann(), id, Page { after, limit });
            let page = store.conversation(&query).await.unwrap().unwrap();
            read.extend(page.lines.iter().map(|line| line.start_ms));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(read, [0, 4000, 5000, 6000], "pages of {limit}");
    }
    let starts: Vec<_> = (0..8).map(|n| n * 1000).collect();
    assert_eq!(store.lines(&ann(), recording, &starts).await.unwrap().len(), 4);
}

/// The text was stored but not placed: the engine is asked again, and its new answer replaces the damaged line.
pub async fn damaged_unplaced_line_is_replaced_by_a_new_text(damageable: Arc<dyn DamagedStore>) {
    let harness = harness(&damageable);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, speech(&[(0, 900), (2000, 2900)])).await;
    harness.store(&job, 0, &[(0, "before"), (2000, "stays")]).await;
    damageable.change(&Document::Line(ann(), job.files[0].recording, 0), &|_| b"{}".to_vec()).await;
    let stand = harness.store(&job, 0, &[(0, "after"), (2000, "late")]).await;
    assert_eq!(stand.iter().map(domain::Line::text).collect::<Vec<_>>(), ["after", "stays"]);
    harness.place(&job, 0, &[(0, Answer::Text), (2000, Answer::Text)]).await;
    assert_eq!(harness.talk(&ann()).await, [["after", "stays"]]);
}

pub async fn damaged_conversation_is_unknown_and_others_are_unaffected(damageable: Arc<dyn DamagedStore>) {
    let (harness, store) = (harness(&damageable), damageable.store());
    let mut conversations = Vec::new();
    for n in 0..5 {
        conversations
            .push(harness.transcribe(&ann(), &phone(n * 1000), &[(0, 900, "said")]).await.new_conversation_ids[0]);
    }
    for (id, (_, damage)) in conversations[..3].iter().zip([DAMAGES[0], DAMAGES[2], DAMAGES[6]]) {
        damageable.change(&Document::Conversation(ann(), *id), &damage).await;
    }
    for limit in [1, 2, 10] {
        let page = store.conversations(&ConversationQuery::all(&ann(), Page::first(limit))).await.unwrap();
        let expected = &conversations[3..][..limit.min(2)];
        assert_eq!(page.iter().map(|one| one.id).collect::<Vec<_>>(), expected, "pages of {limit}");
    }
    assert_eq!(harness.page(&ann(), conversations[0]).await, None);
    assert!(!harness.delete(&ann(), conversations[1]).await);
    // New speech near the damaged conversation is placed.
    let job = harness.transcribe(&ann(), &phone(20), &[(0, 900, "near it")]).await;
    assert_eq!(job.status, domain::Status::Completed);
    assert_eq!(store.due_deletions(harness.now(), &Page::first(10)).await.unwrap(), []);
}

pub async fn damaged_hour_of_usage_is_left_out_and_starts_again(damageable: Arc<dyn DamagedStore>) {
    let (harness, store) = (harness(&damageable), damageable.store());
    for damage in ["-7", "9223372036854775807", "9007199254740993"] {
        let owner = uid(&format!("user {damage}"));
        harness.transcribe(&owner, &phone(0), &[(0, 900, "one two")]).await;
        let hour = harness.now().hour();
        damageable.change(&Document::Usage(owner.clone(), hour), &|_| damage.as_bytes().to_vec()).await;
        let (from, to) = (hour - Duration::from_secs(7200), hour + Duration::from_secs(7200));
        assert_eq!(store.usage(&owner, from, to, 10).await.unwrap(), [], "{damage}");
        let job = harness.transcribe(&owner, &phone(9000), &[(0, 900, "three four five")]).await;
        assert_eq!(job.status, domain::Status::Completed, "{damage}");
        assert_eq!((harness.usage(&owner).await.words, harness.usage(&owner).await.segments), (3, 1), "{damage}");
    }
}

pub async fn damaged_device_does_not_prevent_pushes_to_others(damageable: Arc<dyn DamagedStore>) {
    let store = damageable.store();
    for (id, token) in [("broken", "1"), ("whole", "2")] {
        store.put_device(&device(&ann(), id, token)).await.unwrap();
    }
    let broken = crate::build::device_id("broken");
    damageable.change(&Document::Device(ann(), broken.clone()), &|_| b"{".to_vec()).await;
    assert_eq!(store.devices(&ann()).await.unwrap(), [device(&ann(), "whole", "2")]);
    let anew = device(&ann(), "broken", "3");
    store.put_device(&anew).await.unwrap();
    assert_eq!(store.devices(&ann()).await.unwrap(), [anew, device(&ann(), "whole", "2")]);
    damageable.change(&Document::Device(ann(), broken.clone()), &|_| b"{".to_vec()).await;
    store.delete_device(&ann(), &broken).await.unwrap();
    store.put_device(&device(&ann(), "broken", "4")).await.unwrap();
    assert_eq!(store.devices(&ann()).await.unwrap().len(), 2);
}

pub async fn export_reports_damaged_documents_and_goes_on(damageable: Arc<dyn DamagedStore>) {
    let (harness, store) = (harness(&damageable), damageable.store());
    let spoken = [(0, 900, "one"), (2000, 2900, "two")];
    let job = harness.transcribe(&ann(), &phone(0), &spoken).await;
    let other = harness.transcribe(&ann(), &phone(9000), &spoken).await;
    harness.transcribe(&uid("bob"), &phone(0), &spoken).await;
    let whole = exported(&damageable, 100).await;
    let (recording, conversation) = (job.files[0].recording, other.new_conversation_ids[0]);
    let hour = harness.now().hour();
    let documents = [
        (Document::Recording(ann(), recording), RecordKey::Recording(recording)),
        (Document::Line(ann(), recording, 2000), RecordKey::Line(recording, 2000)),
        (Document::Conversation(ann(), conversation), RecordKey::Conversation(conversation)),
    ];
    for (document, _) in &documents {
        damageable.change(document, &|_| b"{\"uid\":7}".to_vec()).await;
    }
    damageable.change(&Document::Usage(ann(), hour), &|_| b"-1".to_vec()).await;
    let damaged: BTreeSet<_> = documents.iter().map(|(_, place)| *place).chain([RecordKey::Usage(hour)]).collect();
    for page in [1, 2, 100] {
        let found = exported(&damageable, page).await;
        assert_eq!(found.len(), whole.len(), "pages of {page}");
        for (found, whole) in found.iter().zip(&whole) {
            match found {
                Record::Unreadable(place) => assert!(damaged.contains(place), "{place}"),
                found => assert_eq!(found, whole),
            }
        }
        assert_eq!(found.iter().filter(|one| matches!(one, Record::Unreadable(_))).count(), damaged.len());
    }
    let users: BTreeSet<_> = store.users(None, 10).await.unwrap().into_iter().collect();
    assert_eq!(users, [ann(), uid("bob")].into());
    // A damaged document is in the way of an import of the same document, and of nothing else.
    let imported = store.import(&ann(), &whole).await.unwrap();
    assert_eq!((imported.written, imported.conflicts.len()), (0, damaged.len()));
    assert_eq!(
        store.import(&ann(), &[Record::Unreadable(RecordKey::Usage(hour))]).await.unwrap_err().kind,
        Kind::Invalid
    );
}

async fn exported(damageable: &Arc<dyn DamagedStore>, page: usize) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let next = damageable.store().export(&ann(), all.last().map(Record::key), page).await.unwrap();
        if next.is_empty() {
            return all;
        }
        all.extend(next);
    }
}

/// A job that becomes unreadable while a worker holds it ends the worker's delivery, and nothing else.
pub async fn worker_of_a_damaged_job_is_stopped(damageable: Arc<dyn DamagedStore>) {
    let harness = harness(&damageable);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, speech(&[(0, 900)])).await;
    let line = crate::build::line_for(&harness.recording(&job, 0).await, 0, "late");
    damageable.change(&Document::Job(job.id), &|_| b"{".to_vec()).await;
    assert!(matches!(harness.try_plan(&job, 0, speech(&[(0, 900)])).await, Written::Fenced(_)));
    assert!(matches!(harness.try_store(&job, &[line]).await, Written::Fenced(_)));
    assert!(matches!(harness.try_place(&job, 0, &[(0, Answer::Text)]).await, Written::Fenced(_)));
    assert_eq!(harness.step(job.id, &Command::Finish { fence: job.lease.fence }).await, Stepped::NoSuchJob);
}

/// The tests of a store whose documents can be damaged.
#[macro_export]
macro_rules! damage_contract {
    ($make:expr) => {
        $crate::contract_tests! { damage_contract of damage, $make, [
            damaged_job_is_left_out_of_lists_and_unknown_by_its_id,
            sweep_and_job_stats_skip_damaged_jobs,
            recordings_of_a_damaged_job_can_be_uploaded_again_and_its_audio_stays,
            damaged_jobs_hold_no_slots,
            damaged_waiting_job_does_not_keep_others_from_a_slot,
            a_job_of_a_newer_version_is_left_alone,
            damaged_recording_is_listened_to_again_but_placed_and_counted_once,
            damaged_lines_are_left_out_of_their_conversation,
            damaged_unplaced_line_is_replaced_by_a_new_text,
            damaged_conversation_is_unknown_and_others_are_unaffected,
            damaged_hour_of_usage_is_left_out_and_starts_again,
            damaged_device_does_not_prevent_pushes_to_others,
            export_reports_damaged_documents_and_goes_on,
            worker_of_a_damaged_job_is_stopped,
        ] }
    };
}
