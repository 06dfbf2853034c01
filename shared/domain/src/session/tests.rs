//! Decisions on requests for upload sessions, and on their completion.

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::accept::Known;
use crate::code::Code;
use crate::decision::{Decided, JobChange, Opened, SessionCompleted};
use crate::id::{JobId, Sha256Hex, Uid};
use crate::job::{Audio, Job, Status};
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::transition::Context;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);

fn name(n: usize) -> String {
    format!("audio_x_pcm16_16000_1_fs160_{}.bin", 1_799_000_000 + n)
}

fn request(job: u128, files: &[usize]) -> SessionRequest {
    let file = |n: &usize| OfferedFile {
        name: name(*n),
        blob: format!("uploads/u/{job}/{n}-x"),
        size: 10 + *n as u64,
        sha256: Sha256Hex([*n as u8; 32]),
        crc32c: None,
        stream: crate::name::parse(&name(*n)).unwrap().stream,
        captured_at: None,
    };
    SessionRequest {
        job_id: JobId(Uuid::from_u128(job)),
        uid: Uid::new("u").unwrap(),
        files: files.iter().map(file).collect(),
        conversation_id: None,
        language: None,
        traceparent: None,
    }
}

fn knows_nothing(files: usize) -> Known {
    Known { recordings: vec![None; files], ..Known::default() }
}

fn ctx(rules: &Rules) -> Context<'_> {
    Context { now: START, rules, slot_free: true, slot_is_provisional: false }
}

fn new_session(job: u128, files: &[usize], open_ones: Vec<Job>, rules: &Rules) -> (Job, Vec<JobChange>) {
    let known = SessionKnown { batch: knows_nothing(files.len()), open: open_ones };
    match open(&request(job, files), known, ctx(rules)) {
        Opening::New { job, ended } => (job, ended),
        other => panic!("{other:?}"),
    }
}

fn whole(session: &Job) -> Vec<WholeFile> {
    let file = |(index, file): (usize, &crate::JobFile)| WholeFile { index, size: file.size, crc32c: index as u32 };
    session.files.iter().enumerate().map(file).collect()
}

#[test]
fn upload_address_is_not_shown_in_debug_output() {
    let (mut job, _) = new_session(1, &[1], vec![], &Rules::default());
    job.files[0].upload = Some(FileUpload { url: Some(UploadUrl::new("secret".into())), crc32c: Some(1) });
    assert!(!format!("{job:?} {job:#?}").contains("secret"));
    let text = serde_json::to_string(&job).unwrap();
    assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job, "but it is stored");
}

#[test]
fn open_session_of_another_user_is_not_reused() {
    let rules = Rules::default();
    let (mut theirs, _) = new_session(1, &[1], vec![], &rules);
    theirs.uid = Uid::new("v").unwrap();
    let known = SessionKnown { batch: knows_nothing(1), open: vec![theirs] };
    assert!(matches!(open(&request(2, &[1]), known, ctx(&rules)), Opening::New { .. }));
}

#[test]
fn session_with_another_checksum_is_not_reused() {
    let rules = Rules::default();
    let requested = |crc32c| {
        let mut request = request(2, &[1]);
        request.files[0].crc32c = crc32c;
        request
    };
    let Opening::New { job: first, .. } =
        open(&requested(Some(7)), SessionKnown { batch: knows_nothing(1), open: vec![] }, ctx(&rules))
    else {
        panic!("not new")
    };
    for (crc32c, again) in [(Some(7), true), (None, true), (Some(8), false)] {
        let known = SessionKnown { batch: knows_nothing(1), open: vec![first.clone()] };
        let opening = open(&requested(crc32c), known, ctx(&rules));
        assert_eq!(matches!(opening, Opening::Again { .. }), again, "{opening:?}");
    }
}

#[test]
fn session_ended_to_make_room_is_cancelled_without_audio() {
    let rules = Rules { open_sessions_per_user: 1, ..Rules::default() };
    let (first, _) = new_session(1, &[1], vec![], &rules);
    let (_, ended) = new_session(2, &[2], vec![first.clone()], &rules);
    let [JobChange { before, job }] = ended.as_slice() else { panic!("{ended:?}") };
    assert_eq!((before, job.status, job.audio), (&first, Status::Cancelled, Audio::Gone));
    assert_eq!(job.error.as_ref().unwrap().code, Code::UploadExpired);
    assert!(job.lease.fence > first.lease.fence && job.updated_at > first.updated_at);
}

#[test]
fn overdue_session_is_completed_if_nobody_has_ended_it() {
    let rules = Rules::default();
    let (session, _) = new_session(1, &[1, 2], vec![], &rules);
    let whole = whole(&session);
    let late = Context { now: START + 2 * rules.upload_session, ..ctx(&rules) };
    let completing = Completing { session: session.clone(), known: knows_nothing(2), whole: &whole };
    let Completion::Job { job, recordings, deduplicated: false } = complete(completing, late) else { panic!("no job") };
    assert_eq!((job.status, job.created_at, job.due_at), (Status::Queued, START, Some(late.now + rules.enqueue_grace)));
    assert_eq!(recordings.iter().map(|r| r.latest_job).collect::<Vec<_>>(), [job.id; 2]);
    assert_eq!(recordings.iter().map(|r| r.id).collect::<Vec<_>>(), request(1, &[1, 2]).recording_ids());
}

#[test]
fn settings_longer_than_the_bucket_lifecycle_are_refused() {
    let day = Duration::from_secs(86_400);
    for (session, fits) in [(7 * day, true), (13 * day, true), (14 * day, false), (Duration::ZERO, false)] {
        let rules = Rules { upload_session: session, ..Rules::default() };
        assert_eq!(rules.check().is_ok(), fits, "{session:?}");
    }
}

#[test]
fn opened_session_is_written_with_the_sessions_that_made_room_for_it() {
    let rules = Rules { open_sessions_per_user: 1, ..Rules::default() };
    let (first, _) = new_session(1, &[1], vec![], &rules);
    let known = |open| SessionKnown { batch: knows_nothing(1), open };
    let decided = Decided::from(open(&request(2, &[2]), known(vec![first.clone()]), ctx(&rules)));
    let Opened::Session { job, ended } = decided.answer else { panic!("not new") };
    assert_eq!((decided.writes.created, decided.writes.recordings), (Some(job), vec![]));
    let [JobChange { before, job: after }] = &decided.writes.changed[..] else { panic!("one makes room") };
    assert_eq!((before, &ended[..]), (&first, std::slice::from_ref(after)));
    let again = Decided::from(open(&request(2, &[1]), known(vec![first.clone()]), ctx(&rules)));
    let JobChange { before, job } = &again.writes.changed[0];
    assert_eq!((again.writes.created, before), (None, &first));
    assert_eq!(again.answer, Opened::Session { job: job.clone(), ended: vec![] });
}

#[test]
fn lowered_limit_of_open_sessions_is_reached_step_by_step() {
    assert_eq!(sessions_to_read(&Rules { open_sessions_per_user: 3, ..Rules::default() }), 103);
}

#[test]
fn completed_session_is_written_as_a_job_with_its_recordings() {
    let rules = Rules::default();
    let (session, _) = new_session(1, &[1], vec![], &rules);
    assert_eq!(recordings_to_read(&session), request(1, &[1]).recording_ids());
    let whole = whole(&session);
    let completing = Completing { session: session.clone(), known: knows_nothing(1), whole: &whole };
    let decided = complete(completing, ctx(&rules)).decided(session.clone(), None);
    let SessionCompleted::Job { job, deduplicated: false } = decided.answer else { panic!("no job") };
    assert!(recordings_to_read(&job).is_empty(), "the session is no longer open");
    assert_eq!(decided.writes.recordings.len(), 1);
    assert_eq!(decided.writes.changed, [JobChange { before: session.clone(), job }]);
    let missing = Completion::Incomplete(vec![0]).decided(session.clone(), None);
    assert_eq!(missing, Decided::without_writes(SessionCompleted::Incomplete { job: session, missing: vec![0] }));
}

#[test]
fn session_that_was_answered_before_is_answered_while_that_job_exists() {
    let rules = Rules::default();
    let (session, _) = new_session(1, &[1], vec![], &rules);
    let (other, _) = new_session(2, &[1], vec![], &rules);
    let session = Job { status: Status::Cancelled, answered_by: Some(other.id), ..session };
    let completion =
        || complete(Completing { session: session.clone(), known: knows_nothing(1), whole: &[] }, ctx(&rules));
    let answered = SessionCompleted::Answered { by: Box::new(other.clone()), session: session.clone() };
    assert_eq!(completion().decided(session.clone(), Some(other)), Decided::without_writes(answered));
    assert_eq!(completion().decided(session.clone(), None), Decided::without_writes(SessionCompleted::NoSuchJob));
}

proptest! {
    /// A request finds the session with the same files in any order, and no other.
    #[test]
    fn open_session_is_found_by_its_files(
        a in prop::collection::btree_set(0usize..6, 1..5), b in prop::collection::btree_set(0usize..6, 1..5), backwards: bool,
    ) {
        let rules = Rules::default();
        let files: Vec<_> = a.iter().copied().collect();
        let (first, _) = new_session(1, &files, vec![], &rules);
        let mut requested: Vec<_> = b.iter().copied().collect();
        if backwards {
            requested.reverse();
        }
        let known = SessionKnown { batch: knows_nothing(requested.len()), open: vec![first.clone()] };
        match open(&request(2, &requested), known, ctx(&rules)) {
            Opening::Again { before, job } => {
                prop_assert_eq!(&a, &b);
                prop_assert_eq!((&*before, job.id), (&first, first.id));
            }
            Opening::New { job, .. } => {
                prop_assert_ne!(&a, &b);
                prop_assert_eq!(job.files.len(), requested.len());
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// Exactly the incomplete files are reported as missing. If none is missing, the session becomes a job.
    #[test]
    fn a_session_is_completed_when_every_file_is_whole(there in prop::collection::vec(any::<bool>(), 1..6)) {
        let rules = Rules::default();
        let files: Vec<_> = (0..there.len()).collect();
        let (session, _) = new_session(1, &files, vec![], &rules);
        let whole: Vec<_> = whole(&session).into_iter().filter(|file| there[file.index]).collect();
        let missing: Vec<_> = files.iter().copied().filter(|n| !there[*n]).collect();
        let completing = Completing { session, known: knows_nothing(there.len()), whole: &whole };
        match complete(completing, ctx(&rules)) {
            Completion::Incomplete(told) => prop_assert_eq!(told, missing),
            Completion::Job { job, .. } => {
                prop_assert!(missing.is_empty());
                prop_assert!(job.files.iter().enumerate().all(|(n, file)| file.crc32c == n as u32));
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}
