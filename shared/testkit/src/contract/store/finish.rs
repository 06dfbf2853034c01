//! The end of a job: its status follows from its files, and effects follow from its status.

use std::sync::Arc;

use domain::command::Action;
use domain::job::{Effect, JobResult};
use domain::placement::Answer;
use domain::planning::Heard;
use domain::{Blame, Code, Command, Failure, FileStatus, Refusal, Status};
use flow::ports::{Stepped, Store};

use super::ann;
use crate::build::{phone, speech};
use crate::harness::Harness;

pub async fn a_job_whose_files_are_all_good_is_completed(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    let job = harness.claim(job.id).await;
    let (job, _) = harness.work(&job, 0, &[(0, 900, "hello"), (2000, 3500, "again")]).await;
    let conversation = job.new_conversation_ids[0];
    harness.plan(&job, 1, Heard::Silence).await;
    let stepped = harness.step(job.id, &Command::Finish { fence: job.lease.fence }).await;
    let Stepped::Done { job, actions, .. } = stepped else { panic!("{stepped:?}") };
    assert_eq!(job.status, Status::Completed);
    assert_eq!([job.files[0].status, job.files[1].status], [FileStatus::Done, FileStatus::Silent]);
    let result = JobResult {
        new_conversation_ids: vec![conversation],
        updated_conversation_ids: vec![],
        failed_segments: 0,
        total_segments: 2,
        transcribed_ms: 2400,
    };
    assert_eq!((&job.result, &job.error), (&Some(result), &None));
    assert_eq!((job.effects.push, job.effects.cleanup), (Effect::Due(harness.now()), Effect::Due(harness.now())));
    assert_eq!(actions, [Action::PromoteNext, Action::RunEffects]);
    assert_eq!((job.completed_at, job.lease.owner), (Some(harness.now()), None));
    assert_eq!(harness.job(job.id).await, job);
}

pub async fn a_job_with_open_files_cannot_finish(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let finish = Command::Finish { fence: job.lease.fence };
    assert_eq!(harness.refused(job.id, finish.clone()).await, Refusal::FilesOpen);
    harness.plan(&job, 0, speech(&[(0, 900)])).await;
    assert_eq!(harness.refused(job.id, finish).await, Refusal::FilesOpen);
}

pub async fn a_job_whose_files_all_failed_is_failed_and_has_no_result(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, Heard::Nothing("no frame can be read".into())).await;
    let failure = Failure::of(Code::StagedAudioMissing);
    harness.done(job.id, Command::FailFile { fence: job.lease.fence, index: 1, failure: failure.clone() }).await;
    let job = harness.finish(&job).await;
    assert_eq!((job.status, &job.result), (Status::Failed, &None));
    assert_eq!(job.files[0].failure.as_ref().map(|f| (f.code, f.blame)), Some((Code::InvalidAudio, Blame::Content)));
    assert_eq!(job.files[0].failure.as_ref().map(|f| f.detail.as_str()), Some("no frame can be read"));
    assert_eq!(job.error, Some(failure), "the retryable failure is reported first");
    assert_eq!(job.effects.cleanup, Effect::Due(harness.now() + harness.rules.retention), "kept for a retry");
    assert_eq!(harness.job(job.id).await, job);
}

pub async fn job_with_good_and_failed_files_is_a_partial_failure(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    harness.plan(&job, 0, speech(&[(0, 900), (2000, 3000)])).await;
    harness.say(&job, 0, &[(0, "half")]).await;
    harness.place(&job, 0, &[(2000, Answer::Failed { refused: false })]).await;
    let job = harness.finish(&job).await;
    assert_eq!((job.status, job.files[0].status), (Status::PartialFailure, FileStatus::Failed));
    assert_eq!(job.result.as_ref().map(|r| (r.failed_segments, r.total_segments, r.transcribed_ms)), Some((1, 2, 900)));
    assert_eq!(job.error.as_ref().map(|error| error.code), Some(Code::TranscriptionFailed));
    assert_eq!(harness.job(job.id).await, job);
}

pub async fn repeated_finish_changes_nothing(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let done = harness.transcribe(&ann(), &phone(0), &[(0, 900, "over")]).await;
    harness.pass(harness.rules.lease);
    assert_eq!(harness.finish(&done).await, done);
    assert_eq!(harness.job(done.id).await, done);
}

pub async fn a_job_that_ended_cannot_be_cancelled(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let done = harness.transcribe(&ann(), &phone(0), &[(0, 900, "over")]).await;
    assert_eq!(harness.refused(done.id, Command::Cancel).await, Refusal::Finished(Status::Completed));
    let other = harness.accept(&ann(), &[phone(500)]).await;
    let cancelled = harness.done(other.id, Command::Cancel).await;
    assert_eq!((cancelled.status, cancelled.effects.push), (Status::Cancelled, Effect::None));
    assert_eq!(harness.done(other.id, Command::Cancel).await, cancelled, "a second time it is cancelled already");
}
