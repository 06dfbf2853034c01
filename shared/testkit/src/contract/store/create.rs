//! Creating a job: a batch is accepted once, and recordings that are already transcribed are not transcribed again.

use std::sync::Arc;
use std::time::Duration;

use domain::accept::Batch;
use domain::job::{Audio, DispatchState, Effect};
use domain::planning::Heard;
use domain::recording::State;
use domain::{Command, FileStatus, Job, Status};
use flow::Kind;
use flow::ports::{Created, Page, Store, Withdrawn};

use super::{ann, bob};
use crate::build::{batch, batch_as, facts, job_id, phone, speech};
use crate::harness::Harness;

const MINUTE: Duration = Duration::from_secs(60);

fn answered(created: Created) -> Job {
    match created {
        Created::Answered(job) => job,
        new => panic!("no other job answered: {new:?}"),
    }
}

pub async fn new_job_is_queued_with_a_slot_and_a_due_time(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let mut batch = batch(&ann(), &[phone(0), phone(90)]);
    batch.language = Some("de".into());
    batch.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into());
    let Created::New { job, deduplicated } = harness.create(&batch).await else { panic!("not new") };
    assert!(!deduplicated);
    assert_eq!((job.status, job.dispatch.state, job.dispatch.number), (Status::Queued, DispatchState::Pending, 1));
    assert_eq!(job.due_at, Some(harness.now() + harness.rules.enqueue_grace));
    assert_eq!((&job.language, &job.traceparent), (&batch.language, &batch.traceparent));
    assert_eq!(harness.job(job.id).await, job, "the returned job equals the stored one");
    let recording = harness.recording(&job, 1).await;
    assert_eq!((recording.state, recording.latest_job, recording.name), (State::Known, job.id, phone(90)));
}

pub async fn create_with_the_same_id_returns_the_same_job(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let batch = batch(&ann(), &[phone(0)]);
    let first = harness.create(&batch).await;
    let claimed = harness.claim(batch.job_id).await;
    harness.pass(MINUTE / 2);
    assert_eq!(harness.create(&batch).await, Created::New { job: claimed, deduplicated: false });
    assert!(matches!(first, Created::New { .. }));
}

pub async fn live_job_with_all_recordings_of_the_batch_is_returned(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let live = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    for names in [vec![phone(0), phone(90)], vec![phone(90)]] {
        let again = batch(&ann(), &names);
        assert_eq!(answered(harness.create(&again).await), live, "{names:?}");
        assert_eq!(harness.store.job(again.job_id).await.unwrap(), None, "nothing is written");
    }
    assert_eq!(harness.recording(&live, 0).await.latest_job, live.id);
}

pub async fn batch_with_only_some_recordings_in_a_live_job_becomes_a_new_job(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let live = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    assert_ne!(job.id, live.id);
    assert_eq!(harness.recording(&live, 0).await.latest_job, job.id, "a recording knows its latest job");
}

pub async fn completed_job_with_all_recordings_of_the_batch_is_returned(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let spoken: [&[_]; 2] = [&[(0, 900, "one")], &[(0, 900, "two")]];
    let done = harness.transcribe_batch(&batch(&ann(), &[phone(0), phone(90)]), &spoken).await;
    assert_eq!(answered(harness.create(&batch(&ann(), &[phone(90)])).await), done);
}

pub async fn existing_job_is_found_by_any_recording_of_the_batch(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let spoken: [&[_]; 2] = [&[(0, 900, "one")], &[(0, 900, "two")]];
    let done = harness.transcribe_batch(&batch(&ann(), &[phone(0), phone(90)]), &spoken).await;
    let later = harness.accept(&ann(), &[phone(0), phone(5000)]).await;
    assert_eq!(harness.recording(&done, 0).await.latest_job, later.id);
    for names in [[phone(0), phone(90)], [phone(90), phone(0)]] {
        assert_eq!(answered(harness.create(&batch(&ann(), &names)).await), done, "{names:?}");
    }
}

pub async fn batch_finished_in_several_jobs_is_created_completed(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let one = harness.transcribe(&ann(), &phone(0), &[(0, 900, "one")]).await;
    let two = harness.transcribe(&ann(), &phone(5000), &[(0, 900, "two")]).await;
    let again = batch(&ann(), &[phone(0), phone(5000)]);
    let created = harness.create(&again).await;
    let Created::New { job, deduplicated: true } = &created else { panic!("{created:?}") };
    assert_eq!((job.status, job.completed_at), (Status::Completed, Some(harness.now())));
    assert_eq!(job.effects.push.due(), None, "no worker is woken for known recordings");
    let mut conversation_ids =
        job.result.as_ref().map(|result| result.updated_conversation_ids.clone()).unwrap_or_default();
    let mut known = [one.new_conversation_ids, two.new_conversation_ids].concat();
    conversation_ids.sort();
    known.sort();
    assert_eq!(conversation_ids, known);
    assert_eq!(harness.job(job.id).await, *job);
    assert_eq!(harness.create(&again).await, created, "a repeated request is still deduplicated");
}

pub async fn finished_files_of_a_mixed_batch_are_finished_from_the_start(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    harness.transcribe(&ann(), &phone(0), &[(0, 900, "one")]).await;
    let job = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    assert_eq!(job.status, Status::Queued);
    assert_eq!([job.files[0].status, job.files[1].status], [FileStatus::Done, FileStatus::Queued]);
    assert_eq!(job.files[0].counts.placed, 1);
}

pub async fn cancelled_and_failed_jobs_are_not_returned_for_a_new_batch(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let cancelled = harness.accept(&ann(), &[phone(0)]).await;
    harness.done(cancelled.id, Command::Cancel).await;
    let second = harness.accept(&ann(), &[phone(0)]).await;
    let second = harness.claim(second.id).await;
    harness.plan(&second, 0, domain::planning::Heard::Nothing("noise".into())).await;
    assert_eq!(harness.finish(&second).await.status, Status::Failed);
    harness.accept(&ann(), &[phone(0)]).await;
}

pub async fn a_recording_keeps_its_plan_when_another_job_takes_it(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let first = harness.accept(&ann(), &[phone(0)]).await;
    let first = harness.claim(first.id).await;
    let (_, planned) = harness.plan(&first, 0, speech(&[(0, 900), (2000, 3000)])).await;
    harness.done(first.id, Command::Cancel).await;
    let second = harness.accept(&ann(), &[phone(0)]).await;
    let known = harness.recording(&second, 0).await;
    assert_eq!(known.latest_job, second.id);
    assert_eq!((known.plan, known.captured_at, known.state), (planned.plan, planned.captured_at, State::Planned));
}

pub async fn same_bytes_of_another_user_are_another_recording(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    harness.transcribe(&ann(), &phone(0), &[(0, 900, "mine")]).await;
    let job = harness.accept(&bob(), &[phone(0)]).await;
    assert_eq!((job.status, job.files[0].status), (Status::Queued, FileStatus::Queued));
    assert_eq!(harness.recording(&job, 0).await.plan, None);
}

pub async fn two_equal_concurrent_batches_become_one_job(store: Arc<dyn Store>) {
    let harness = Arc::new(Harness::new(store));
    let create = |n| {
        let harness = harness.clone();
        tokio::spawn(async move { harness.create(&batch_as(job_id(n), &ann(), &[phone(0)])).await })
    };
    let tasks: Vec<_> = (1..=8).map(create).collect();
    let (mut new, mut answers) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            Created::New { job, .. } => new.push(job.id),
            Created::Answered(job) => answers.push(job.id),
        }
    }
    assert_eq!(new.len(), 1, "{new:?}");
    assert_eq!(answers, vec![new[0]; 7]);
}

/// A batch that was found silent when it was uploaded.
fn silent(mut batch: Batch) -> Batch {
    batch.files.iter_mut().for_each(|file| file.silent = Some(facts(&Heard::Silence)));
    batch
}

pub async fn silent_batch_and_its_recordings_are_completed_in_one_step(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let batch = silent(batch(&ann(), &[phone(0), phone(90)]));
    let created = harness.create(&batch).await;
    let Created::New { job, deduplicated: false } = &created else { panic!("{created:?}") };
    assert_eq!((job.status, job.completed_at), (Status::Completed, Some(harness.now())));
    assert_eq!((job.effects.push.due(), job.effects.cleanup.due()), (None, Some(harness.now())));
    assert_eq!(harness.job(job.id).await, *job, "the returned job equals the stored one");
    for index in 0..2 {
        let recording = harness.recording(job, index).await;
        assert_eq!((recording.state, recording.facts), (State::Silent, facts(&Heard::Silence)));
        assert_eq!(job.files[index].status, FileStatus::Silent);
    }
    harness.pass(MINUTE);
    assert_eq!(harness.create(&batch).await, created, "a repeated request returns the same job");
    let again = batch_as(job_id(7), &ann(), &[phone(90)]);
    assert_eq!(answered(harness.create(&silent(again)).await), *job);
    assert_eq!((harness.conversations(&ann()).await.len(), harness.usage(&ann()).await.segments), (0, 0));
}

pub async fn planned_recording_is_not_marked_silent_by_a_later_upload(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let first = harness.accept(&ann(), &[phone(0)]).await;
    let first = harness.claim(first.id).await;
    let (_, planned) = harness.plan(&first, 0, speech(&[(0, 900)])).await;
    harness.done(first.id, Command::Cancel).await;
    let job = harness.accept_batch(&silent(batch(&ann(), &[phone(0)]))).await;
    let known = harness.recording(&job, 0).await;
    assert_eq!((known.state, known.plan, known.facts), (State::Planned, planned.plan, planned.facts));
    assert_eq!((job.status, job.dispatch.state), (Status::Queued, DispatchState::Pending));
    let job = harness.claim(job.id).await;
    harness.say(&job, 0, &[(0, "said before")]).await;
    assert_eq!(harness.finish(&job).await.status, Status::Completed);
}

pub async fn late_worker_does_not_change_a_recording_marked_silent(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let live = harness.accept(&ann(), &[phone(0)]).await;
    let live = harness.claim(live.id).await;
    let silenced = harness.accept_batch(&silent(batch(&ann(), &[phone(0), phone(90)]))).await;
    assert_eq!(silenced.status, Status::Completed);
    let (job, recording) = harness.plan(&live, 0, speech(&[(0, 900)])).await;
    assert_eq!((recording.state, job.files[0].status), (State::Silent, FileStatus::Silent));
    assert_eq!(harness.finish(&live).await.status, Status::Completed);
}

pub async fn silent_batch_takes_no_slot(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let user_slots = i64::from(harness.rules.enqueued_per_user);
    for n in 0..user_slots {
        harness.accept(&ann(), &[phone(n * 1000)]).await;
    }
    let silent = harness.accept_batch(&silent(batch(&ann(), &[phone(900_000)]))).await;
    assert_eq!(silent.status, Status::Completed);
    let waiting = harness.accept(&ann(), &[phone(901_000)]).await;
    assert_eq!(waiting.dispatch.state, DispatchState::Waiting, "the slots are taken by the other jobs");
}

pub async fn withdrawn_batch_never_becomes_a_job(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let doubtful = batch(&ann(), &[phone(0), phone(60)]);
    let withdrawn = harness.withdraw(&doubtful).await;
    let Withdrawn::Cancelled(job) = &withdrawn else { panic!("{withdrawn:?}") };
    assert_eq!((job.id, job.status, job.audio), (doubtful.job_id, Status::Cancelled, Audio::Gone));
    assert_eq!((job.effects.cleanup, job.effects.push), (Effect::Due(harness.now()), Effect::None));
    harness.clock.set(job.due_at.unwrap());
    assert_eq!(harness.store.due_jobs(harness.now(), Page::first(10)).await.unwrap(), std::slice::from_ref(job));
    assert_eq!(harness.withdraw(&doubtful).await, withdrawn, "once");
    // The creation arrives late.
    let late = harness.create(&doubtful).await;
    assert_eq!(late, Created::New { job: job.clone(), deduplicated: false });
    assert_eq!(harness.store.recordings(&ann(), &doubtful.recording_ids()).await.unwrap(), [None, None]);
    let again = harness.accept(&ann(), &[phone(0), phone(60)]).await;
    assert_eq!(again.status, Status::Queued, "the client uploads the batch again");
    let theirs = Batch { uid: bob(), ..doubtful };
    assert_eq!(harness.store.withdraw_batch(&theirs, harness.at()).await.unwrap_err().kind, Kind::Conflict);
}

pub async fn batch_that_became_a_job_is_not_withdrawn(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let accepted = batch(&ann(), &[phone(0)]);
    let job = harness.accept_batch(&accepted).await;
    assert_eq!(harness.withdraw(&accepted).await, Withdrawn::Job { job: job.clone(), deduplicated: false });
    assert_eq!(harness.job(job.id).await, job);
    let claimed = harness.claim(job.id).await;
    assert_eq!(harness.withdraw(&accepted).await, Withdrawn::Job { job: claimed, deduplicated: false });
}
