//! Plans: a recording is cut into segments once, by the first worker that listens to it.

use std::sync::Arc;
use std::time::Duration;

use domain::job::{Audio, Effect};
use domain::planning::{FilePlan, Heard};
use domain::recording::State;
use domain::{Code, Command, FileStatus, Job, Refusal, Segment, Status};
use flow::ports::{Created, Store, Written};

use super::{MS, ann, bob};
use crate::build::{after, batch, conversation_id, facts, levels, peaks, phone, plan, segments, speech};
use crate::harness::Harness;

pub async fn plan_is_written_once_with_all_its_fields(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let mut batch = batch(&ann(), &[phone(30)]);
    batch.language = Some("de".into());
    batch.conversation_id = Some(conversation_id(5));
    let job = harness.accept_batch(&batch).await;
    let job = harness.claim(job.id).await;
    let heard = speech(&[(100, 900), (2000, 3000)]);
    let (job, recording) = harness.plan(&job, 0, heard.clone()).await;
    assert_eq!(recording.state, State::Planned);
    assert_eq!(recording.plan.as_ref().map(|plan| plan.segments()), Some(&segments(&[(100, 900), (2000, 3000)])[..]));
    assert_eq!((recording.captured_at, recording.facts), (Some(after(30)), facts(&heard)));
    assert_eq!((recording.language.as_deref(), recording.conversation_id), (Some("de"), Some(conversation_id(5))));
    assert_eq!((job.files[0].status, job.files[0].counts.segments), (FileStatus::Processing, 2));
    assert_eq!(job.files[0].facts, recording.facts);
    assert_eq!((harness.job(job.id).await, harness.recording(&job, 0).await), (job, recording));
}

pub async fn later_plan_returns_the_first_one(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let first = harness.accept(&ann(), &[phone(0)]).await;
    let first = harness.claim(first.id).await;
    let (_, planned) = harness.plan(&first, 0, speech(&[(0, 900), (2000, 3000)])).await;
    let mut batch = batch(&ann(), &[phone(0), phone(90)]);
    batch.language = Some("fr".into());
    batch.conversation_id = Some(conversation_id(5));
    let second = harness.accept_batch(&batch).await;
    let second = harness.claim(second.id).await;
    for heard in [speech(&[(50, 800)]), Heard::Silence, Heard::Nothing("noise".into())] {
        let (job, recording) = harness.plan(&second, 0, heard).await;
        assert_eq!((&recording.plan, &recording.language), (&planned.plan, &None));
        assert_eq!((recording.conversation_id, recording.facts), (None, planned.facts));
        assert_eq!((job.files[0].status, job.files[0].counts.segments), (FileStatus::Processing, 2));
    }
}

pub async fn finished_plan_completes_the_file_of_another_job(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let first = harness.accept(&ann(), &[phone(0)]).await;
    let second = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    let first = harness.claim(first.id).await;
    let second = harness.claim(second.id).await;
    harness.work(&first, 0, &[(0, 900, "done elsewhere")]).await;
    let (job, _) = harness.plan(&second, 0, speech(&[(0, 900)])).await;
    assert_eq!((job.files[0].status, job.files[0].counts.placed), (FileStatus::Done, 1));
    assert_eq!(job.files[0].conversation_ids, harness.job(first.id).await.new_conversation_ids);
}

pub async fn silence_completes_recording_and_file(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let (job, recording) = harness.plan(&job, 0, Heard::Silence).await;
    assert_eq!((recording.state, &recording.plan), (State::Silent, &None));
    assert_eq!(job.files[0].status, FileStatus::Silent);
    assert_eq!((harness.job(job.id).await, harness.recording(&job, 0).await), (job, recording));
}

pub async fn undecodable_recording_can_be_uploaded_again(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let (job, recording) = harness.plan(&job, 0, Heard::Nothing("no frame can be read".into())).await;
    assert_eq!(recording.state, State::Invalid);
    assert_eq!(
        job.files[0].failure.as_ref().map(|f| (f.code, f.detail.as_str())),
        Some((Code::InvalidAudio, "no frame can be read"))
    );
    harness.finish(&job).await;
    let again = harness.accept(&ann(), &[phone(0)]).await;
    let again = harness.claim(again.id).await;
    let (job, recording) = harness.plan(&again, 0, speech(&[(0, 900)])).await;
    assert_eq!((recording.state, job.files[0].status), (State::Planned, FileStatus::Processing));
    assert_eq!(job.files[0].failure, None);
}

pub async fn audio_without_capture_time_ends_at_its_acceptance(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let mut batch = batch(&ann(), &["talk.wav"]);
    batch.files[0].captured_at = None;
    let job = harness.accept_batch(&batch).await;
    let job = harness.claim(job.id).await;
    harness.pass(Duration::from_secs(20));
    let heard = speech(&[(0, 900)]);
    let duration = Duration::from_millis(facts(&heard).duration_ms);
    let (_, recording) = harness.plan(&job, 0, heard).await;
    assert_eq!(recording.captured_at, Some(job.created_at - duration));
}

pub async fn day_of_speech_fits_into_one_plan(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let spans: Vec<_> = (0..20_000_u32).map(|i| (i * 4300, i * 4300 + 3000 + i % 1000)).collect();
    let (_, recording) = harness.plan(&job, 0, speech(&spans)).await;
    assert_eq!(recording.plan.as_ref().map(|plan| plan.segments().len()), Some(20_000));
    assert_eq!(harness.recording(&job, 0).await.plan, recording.plan);
}

pub async fn speech_is_stored_without_its_padding(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let (job, _) = harness.plan(&job, 0, Heard::Speech(vec![Segment::open(0, 1000, 600)])).await;
    harness.say(&job, 0, &[(0, "padded")]).await;
    assert_eq!(harness.usage(&ann()).await.transcribed_ms, 600);
}

pub async fn peaks_and_levels_belong_to_the_stored_plan(store: Arc<dyn Store>) {
    let harness = Harness::new(store.clone());
    let heard = speech(&[(0, 900), (2000, 3000)]);
    let job = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    let job = harness.claim(job.id).await;
    let (spoken, silent) = (job.files[0].recording, job.files[1].recording);
    assert_eq!(store.peaks(&ann(), spoken).await.unwrap(), None, "it was not listened to");
    assert_eq!(store.levels(&ann(), spoken).await.unwrap(), None);
    harness.plan(&job, 0, heard.clone()).await;
    harness.plan(&job, 0, speech(&[(50, 800)])).await;
    harness.plan(&job, 1, Heard::Silence).await;
    assert_eq!(store.peaks(&ann(), spoken).await.unwrap(), Some(peaks(&heard)), "those of the first plan are kept");
    assert_eq!(store.levels(&ann(), spoken).await.unwrap(), Some(levels(&heard)));
    harness.say(&job, 0, &[(0, "placing changes neither")]).await;
    assert_eq!(store.peaks(&ann(), spoken).await.unwrap(), Some(peaks(&heard)));
    assert_eq!(store.levels(&ann(), spoken).await.unwrap(), Some(levels(&heard)));
    assert_eq!(store.peaks(&ann(), silent).await.unwrap(), None);
    assert_eq!(store.levels(&ann(), silent).await.unwrap(), None);
    assert_eq!(store.peaks(&bob(), spoken).await.unwrap(), None, "it is ann's");
    assert_eq!(store.levels(&bob(), spoken).await.unwrap(), None);
}

pub async fn plan_extends_the_lease(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    harness.pass(harness.rules.lease - MS);
    let (job, _) = harness.plan(&job, 0, speech(&[(0, 900)])).await;
    assert_eq!(job.lease.until, Some(harness.now() + harness.rules.lease));
    assert_eq!(job.due_at, job.held_until(&harness.rules));
}

pub async fn plan_of_a_file_that_the_job_lacks_is_refused(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let written = harness.try_plan(&job, 1, speech(&[(0, 900)])).await;
    assert!(matches!(written, Written::Fenced(_)), "{written:?}");
    assert_eq!(harness.job(job.id).await, job);
}

pub async fn failed_file_is_final(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let fail = |code| Command::FailFile { fence: job.lease.fence, index: 0, failure: domain::Failure::of(code) };
    let failed = harness.done(job.id, fail(Code::DigestMismatch)).await;
    assert_eq!(failed.files[0].status, FileStatus::Failed);
    let again = harness.done(job.id, fail(Code::StagedAudioMissing)).await;
    assert_eq!(again.files[0].failure, failed.files[0].failure, "the first failure is kept");
    assert_eq!(harness.job(job.id).await, again);
}

/// A plan for bytes that the delivery did not compare with their digest.
fn unverified(job: &Job, index: usize, heard: Heard) -> FilePlan {
    FilePlan { verified: false, ..plan(job, index, heard) }
}

/// A session only claims its digests; a batch is digested while it is received.
pub async fn unverified_bytes_do_not_change_the_recording(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let batch = harness.accept(&bob(), &[phone(0)]).await;
    assert!(batch.files[0].verified);
    let session = harness.session(&ann(), &[phone(0), phone(90), phone(180)]).await;
    harness.complete(&session).await;
    let job = harness.claim(session.id).await;
    for (index, heard) in [speech(&[(0, 900)]), Heard::Silence, Heard::Nothing("noise".into())].into_iter().enumerate()
    {
        let (after, recording) = harness.write_plan(&job, &unverified(&job, index, heard.clone())).await;
        assert_eq!((recording.state, &recording.plan), (State::Known, &None), "{heard:?}");
        assert_eq!((after.files[index].status, after.files[index].verified), (FileStatus::Queued, false), "{heard:?}");
    }
    let fence = job.lease.fence;
    let marked = harness.done(job.id, Command::FileVerified { fence, index: 0 }).await;
    assert_eq!(marked.files.iter().map(|file| file.verified).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!(marked.lease.until, Some(harness.now() + harness.rules.lease));
    let (_, recording) = harness.write_plan(&job, &unverified(&job, 0, speech(&[(0, 900)]))).await;
    assert_eq!(recording.state, State::Planned, "an earlier delivery has verified them");
    let (after, recording) = harness.plan(&job, 1, Heard::Silence).await;
    assert_eq!((recording.state, after.files[1].verified), (State::Silent, true), "this worker has listened to it");
    assert_eq!(harness.job(job.id).await, after);
}

/// A partly decoded recording is done, with a code that every job with this recording reports.
pub async fn partly_decoded_recording_is_never_reported_as_complete(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0), phone(900)]).await;
    let job = harness.claim(job.id).await;
    let mut damaged = plan(&job, 0, speech(&[(0, 900)]));
    (damaged.facts.partly, damaged.facts.dropped_bytes) = (true, 4_000);
    harness.write_plan(&job, &damaged).await;
    let (after, recording) = harness.say(&job, 0, &[(0, "half of it")]).await;
    assert!(recording.facts.partly);
    let code = |job: &Job, index: usize| job.files[index].failure.as_ref().map(|failure| failure.code);
    assert_eq!((after.files[0].status, code(&after, 0)), (FileStatus::Done, Some(Code::PartlyDecoded)));
    harness.work(&job, 1, &[(0, 900, "all of it")]).await;
    let ended = harness.finish(&job).await;
    assert_eq!((ended.status, ended.audio), (Status::PartialFailure, Audio::Gone), "no retry would help");
    assert_eq!(ended.error.as_ref().map(|failure| failure.code), Some(Code::PartlyDecoded));
    assert_eq!((code(&ended, 1), harness.usage(&ann()).await.segments), (None, 2));
    let why = harness.refused(ended.id, Command::Retry { key: crate::build::nonce(3) }).await;
    assert!(matches!(why, Refusal::NotRetryable(_)), "{why:?}");

    for names in [vec![phone(0)], vec![phone(0), phone(900)]] {
        let again = harness.create(&batch(&ann(), &names)).await;
        assert!(matches!(&again, Created::Answered(job) if job.id == ended.id), "{again:?}");
    }
    harness.transcribe(&ann(), &phone(5000), &[(0, 900, "later")]).await;
    let born = harness.create(&batch(&ann(), &[phone(0), phone(5000)])).await;
    let Created::New { job: born, deduplicated: true } = born else { panic!("{born:?}") };
    assert_eq!((born.status, born.attempt, code(&born, 0)), (Status::PartialFailure, 0, Some(Code::PartlyDecoded)));
    assert_eq!((born.files[1].status, code(&born, 1)), (FileStatus::Done, None));
    assert_eq!((born.effects.push, harness.usage(&ann()).await.segments), (Effect::None, 3), "nothing is done twice");
    let same = harness.create(&batch(&ann(), &[phone(0), phone(5000)])).await;
    assert!(matches!(&same, Created::Answered(job) if job.id == born.id), "{same:?}");
}
