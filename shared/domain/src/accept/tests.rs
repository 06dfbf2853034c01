//! Batches that were listened to during the upload: files proven silent are finished when the batch is accepted, and no
//! others.

use uuid::Uuid;

use super::*;
use crate::gain::Gain;
use crate::job::Effect;
use crate::plan::{Plan, Segment};
use crate::rules::Rules;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const FACTS: AudioFacts = AudioFacts {
    duration_ms: 9_000,
    speech_ms: 0,
    dropped_bytes: 3,
    concealed_ms: 40,
    partly: false,
    gain: Gain::ONE,
    heard_by: crate::Levels::RULES,
};

fn file(n: u8, silent: bool) -> StagedFile {
    let name = format!("audio_x_pcm16_16000_1_fs160_180000000{n}.bin");
    StagedFile {
        blob: format!("uploads/u/j/{n}-x"),
        size: 1,
        sha256: Sha256Hex([n; 32]),
        crc32c: 1,
        stream: crate::name::parse(&name).unwrap().stream,
        captured_at: None,
        silent: silent.then_some(FACTS),
        name,
    }
}

fn batch(job: u128, files: Vec<StagedFile>) -> Batch {
    Batch {
        job_id: JobId(Uuid::from_u128(job)),
        uid: Uid::new("u").unwrap(),
        files,
        conversation_id: None,
        language: None,
        traceparent: None,
    }
}

fn decided(batch: &Batch, recordings: Vec<Option<Recording>>, jobs: Vec<Job>, own: Option<Job>) -> Decision {
    let rules = Rules::default();
    decide(
        batch,
        Known { own, recordings, jobs },
        Context { now: NOW, rules: &rules, slot_free: true, slot_is_provisional: false },
    )
}

fn created(batch: &Batch, recordings: Vec<Option<Recording>>) -> (Job, Vec<Recording>, bool) {
    match decided(batch, recordings, Vec::new(), None) {
        Decision::Create { job, recordings, deduplicated } => (job, recordings, deduplicated),
        other => panic!("not created: {other:?}"),
    }
}

/// The recording of [`file`] 1, in this state.
fn known(state: State, plan: Option<Plan>) -> Recording {
    let (_, mut recordings, _) = created(&batch(9, vec![file(1, false)]), vec![None]);
    Recording { state, plan, ..recordings.remove(0) }
}

#[test]
fn job_of_the_batch_itself_that_is_found_by_its_recordings_keeps_its_audio() {
    // The reads of a store may take place before and after an earlier try is committed.
    let batch = batch(1, vec![file(1, false), file(2, false)]);
    let (job, recordings, _) = created(&batch, vec![None, None]);
    let recordings = recordings.into_iter().map(Some).collect();
    let decision = decided(&batch, recordings, vec![job.clone()], None);
    assert_eq!(decision, Decision::Own { job, deduplicated: false });
}

#[test]
fn silent_batch_is_created_completed_and_is_not_deduplicated() {
    let batch = batch(1, vec![file(1, true), file(2, true)]);
    let (job, recordings, deduplicated) = created(&batch, vec![None, None]);
    assert_eq!((job.status, job.attempt, deduplicated), (Status::Completed, 1, false));
    assert_eq!((job.completed_at, job.effects.push), (Some(NOW), Effect::None), "nobody is woken");
    assert!(job.effects.cleanup.is_due(NOW), "its blobs go at once");
    assert_eq!(job.progress().total, 0);
    for (recording, file) in recordings.iter().zip(&job.files) {
        assert_eq!((recording.state, recording.facts, recording.latest_job), (State::Silent, FACTS, job.id));
        assert_eq!((file.status, file.facts), (FileStatus::Silent, FACTS));
    }
    let again = decided(&batch, recordings.into_iter().map(Some).collect(), Vec::new(), Some(job.clone()));
    assert_eq!(again, Decision::Own { job, deduplicated: false }, "the lost answer is the same answer");
}

#[test]
fn job_with_one_file_not_proven_silent_is_queued_for_a_worker() {
    let (job, recordings, _) = created(&batch(1, vec![file(1, true), file(2, false)]), vec![None, None]);
    assert_eq!((job.status, job.attempt), (Status::Queued, 0));
    assert_eq!([recordings[0].state, recordings[1].state], [State::Silent, State::Known]);
    assert_eq!([job.files[0].status, job.files[1].status], [FileStatus::Silent, FileStatus::Queued]);
}

#[test]
fn planned_or_finished_recording_ignores_silence_found_during_upload() {
    let plan = || Some(Plan::new(vec![Segment::open(0, 900, 900)]));
    for (state, plan, after, status) in [
        (State::Planned, plan(), State::Planned, Status::Queued),
        (State::Failed, plan(), State::Failed, Status::Queued),
        (State::Done, plan(), State::Done, Status::Completed),
        (State::Known, None, State::Silent, Status::Completed),
        (State::Invalid, None, State::Silent, Status::Completed),
    ] {
        let before = known(state, plan);
        let (job, recordings, deduplicated) = created(&batch(1, vec![file(1, true)]), vec![Some(before.clone())]);
        assert_eq!((recordings[0].state, job.status), (after, status), "{state:?}");
        assert_eq!(recordings[0].plan, before.plan, "{state:?}");
        assert_eq!(deduplicated, state == State::Done, "{state:?}");
        assert_eq!(recordings[0].facts == FACTS, after == State::Silent, "{state:?}");
    }
}

#[test]
fn live_job_with_the_recordings_is_the_answer_for_silent_files_too() {
    let (live, recordings, _) = created(&batch(1, vec![file(1, false)]), vec![None]);
    let again = batch(2, vec![file(1, true)]);
    let decision = decided(&again, recordings.into_iter().map(Some).collect(), vec![live.clone()], None);
    assert_eq!(decision, Decision::Answer(live));
}

#[test]
fn job_of_another_user_with_the_id_of_a_new_one_is_refused() {
    let (job, ..) = created(&batch(1, vec![file(1, false)]), vec![None]);
    let (ann, bob) = (job.uid.clone(), Uid::new("bob").unwrap());
    assert_eq!(own(Some(job.clone()), &ann), Ok(Some(job.clone())));
    assert_eq!(own(Some(job), &bob), Err(InvalidWrite::JobOfAnotherUser));
    assert_eq!(own(None, &bob), Ok(None));
}

#[test]
fn job_shared_by_several_recordings_is_read_once() {
    let recording =
        |job: u128| Some(Recording { latest_job: JobId(Uuid::from_u128(job)), ..known(State::Known, None) });
    let latest = latest_jobs(&[recording(7), None, recording(3), recording(7)]);
    assert_eq!(latest.iter().map(|id| id.0.as_u128()).collect::<Vec<_>>(), [3, 7]);
}

#[test]
fn only_a_new_job_is_written_and_only_a_queued_one_needs_a_slot() {
    let decision = decided(&batch(1, vec![file(1, false)]), vec![None], Vec::new(), None);
    assert!(decision.needs_slot());
    let Decided { answer: Created::New { job, deduplicated: false }, writes } = decision.into() else {
        panic!("not created")
    };
    assert_eq!((writes.created, writes.recordings.len(), writes.changed), (Some(job.clone()), 1, Vec::new()));
    let again = decided(&batch(1, vec![file(1, false)]), vec![None], Vec::new(), Some(job.clone()));
    assert!(!again.needs_slot());
    assert_eq!(Decided::from(again), Decided::without_writes(Created::New { job: job.clone(), deduplicated: false }));
    assert_eq!(Decided::from(Decision::Answer(job.clone())), Decided::without_writes(Created::Answered(job)));
    assert!(!decided(&batch(1, vec![file(1, true)]), vec![None], Vec::new(), None).needs_slot(), "it is finished");
}
