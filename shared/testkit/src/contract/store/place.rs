//! Placement: a segment is put into a conversation once, and is counted once.

use std::sync::Arc;
use std::time::Duration;

use domain::placement::{Answer, MAX_GROUP};
use domain::recording::State;
use domain::{Bucket, Code, Command, FileStatus, Job, Mark, Status, Usage};
use flow::Kind;
use flow::ports::Store;

use super::{MS, ann, bob};
use crate::build::{T0, after, phone, speech};
use crate::harness::Harness;

async fn planned(store: Arc<dyn Store>) -> (Harness, Job) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let (job, _) = harness.plan(&job, 0, speech(&[(0, 900), (2000, 3000), (5000, 6000)])).await;
    (harness, job)
}

fn usage(transcribed_ms: u64, words: u64, segments: u64) -> Usage {
    Usage { transcribed_ms, words, segments }
}

pub async fn placed_segment_is_in_a_conversation_and_counted(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    let (job, recording) = harness.say(&job, 0, &[(0, "hello there"), (2000, "who is it")]).await;
    let [conversation] = &harness.conversations(&ann()).await[..] else {
        panic!("there is not exactly one conversation")
    };
    let page = harness.page(&ann(), conversation.id).await.unwrap();
    assert_eq!(page.lines.iter().map(|line| line.start_ms).collect::<Vec<_>>(), [0, 2000]);
    assert!(page.lines.iter().all(|line| line.conversation_id == Some(conversation.id) && !line.attached));
    assert_eq!((conversation.started_at(), conversation.finished_at()), (T0, after(3)));
    assert_eq!(conversation.opening.as_ref().map(|o| o.title.as_str()), Some("hello there"));
    assert_eq!(harness.usage(&ann()).await, usage(1900, 5, 2));
    let marks: Vec<_> = recording.plan.iter().flat_map(|plan| plan.segments()).map(|s| s.mark).collect();
    assert_eq!(marks, [Mark::Placed, Mark::Placed, Mark::Open]);
    let progress = job.progress();
    assert_eq!((progress.total, progress.successful, progress.failed), (3, 2, 0));
    assert_eq!(
        (&job.new_conversation_ids, &recording.conversation_ids),
        (&vec![conversation.id], &vec![conversation.id])
    );
    assert_eq!((harness.job(job.id).await, harness.recording(&job, 0).await), (job, recording));
}

pub async fn a_segment_placed_again_changes_nothing(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    let (_, first) = harness.say(&job, 0, &[(0, "once")]).await;
    let (_, again) = harness.place(&job, 0, &[(0, Answer::Text), (0, Answer::Empty), (0, Answer::EmptyOnce)]).await;
    assert_eq!(again, first);
    assert_eq!(harness.usage(&ann()).await, usage(900, 1, 1));
    assert_eq!(harness.talk(&ann()).await, [["once"]]);
}

pub async fn a_segment_named_twice_in_a_group_counts_once(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    harness.store(&job, 0, &[(0, "once")]).await;
    harness.place(&job, 0, &[(0, Answer::Text), (0, Answer::Text)]).await;
    assert_eq!(harness.usage(&ann()).await, usage(900, 1, 1));
}

pub async fn audio_uploaded_again_is_not_counted_again(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let done = harness.transcribe(&ann(), &phone(0), &[(0, 900, "once and for all")]).await;
    harness.done(done.id, Command::CleanedUp { fence: done.lease.fence }).await;
    harness.clock.set(harness.job(done.id).await.expires_at.unwrap());
    harness.done(done.id, Command::Expire).await;
    let again = harness.accept(&ann(), &[phone(0)]).await;
    assert_eq!(again.status, Status::Completed, "the job is deleted, the recording is not");
    let mix = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    let mix = harness.claim(mix.id).await;
    harness.work(&mix, 0, &[(0, 900, "once more")]).await;
    assert_eq!(harness.usage(&ann()).await, usage(900, 4, 1));
    assert_eq!(harness.talk(&ann()).await, [["once and for all"]]);
}

pub async fn two_jobs_share_the_segments_of_a_recording(store: Arc<dyn Store>) {
    let (harness, first) = planned(store).await;
    let second = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    let second = harness.claim(second.id).await;
    harness.plan(&second, 0, speech(&[(0, 900)])).await;
    harness.say(&first, 0, &[(0, "one")]).await;
    let (second, _) = harness.say(&second, 0, &[(0, "uno"), (2000, "two")]).await;
    assert_eq!(second.files[0].counts.placed, 2, "segments placed by the other job count as done here");
    let (first, recording) = harness.say(&first, 0, &[(2000, "due"), (5000, "three")]).await;
    assert_eq!((recording.state, first.files[0].status), (State::Done, FileStatus::Done));
    let (second, _) = harness.place(&second, 0, &[]).await;
    assert_eq!(second.files[0].status, FileStatus::Done);
    assert_eq!(harness.talk(&ann()).await, [["one", "two", "three"]]);
    assert_eq!(harness.usage(&ann()).await, usage(2900, 3, 3));
}

pub async fn usage_is_counted_from_the_stored_line(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    harness.store(&job, 0, &[(0, "three short words")]).await;
    harness.say(&job, 0, &[(0, "many more words that came too late")]).await;
    assert_eq!(harness.usage(&ann()).await, usage(900, 3, 1));
}

pub async fn a_text_that_is_not_stored_is_not_placed(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    let (job, recording) = harness.place(&job, 0, &[(0, Answer::Text)]).await;
    assert_eq!(recording.plan.as_ref().and_then(|plan| plan.find(0)).map(|s| s.mark), Some(Mark::Open));
    assert_eq!((job.files[0].status, job.progress().successful), (FileStatus::Processing, 0));
}

pub async fn empty_answer_for_speech_is_accepted_the_second_time_and_never_counted(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    let mark = async || harness.recording(&job, 0).await.plan.and_then(|plan| plan.find(0).map(|s| s.mark));
    harness.place(&job, 0, &[(0, Answer::EmptyOnce)]).await;
    assert_eq!(mark().await, Some(Mark::EmptyOnce));
    harness.place(&job, 0, &[(0, Answer::EmptyOnce)]).await;
    assert_eq!(mark().await, Some(Mark::EmptyOnce), "the same answer given twice counts once");
    let (after, _) = harness.place(&job, 0, &[(0, Answer::Empty)]).await;
    assert_eq!((mark().await, after.files[0].counts.empty), (Some(Mark::Empty), 1));
    harness.say(&job, 0, &[(0, "an answer after all")]).await;
    assert_eq!(mark().await, Some(Mark::Empty));
    assert_eq!((harness.usage(&ann()).await, harness.talk(&ann()).await.len()), (Usage::default(), 0));
}

pub async fn text_after_one_empty_answer_is_placed(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    harness.place(&job, 0, &[(0, Answer::EmptyOnce)]).await;
    harness.say(&job, 0, &[(0, "on second thought")]).await;
    assert_eq!(harness.talk(&ann()).await, [["on second thought"]]);
}

pub async fn file_with_only_accepted_silence_is_done(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    let answers = [0, 2000, 5000].map(|start| (start, Answer::Empty));
    let (job, recording) = harness.place(&job, 0, &answers).await;
    assert_eq!((recording.state, job.files[0].status), (State::Done, FileStatus::Done));
    assert_eq!(harness.finish(&job).await.status, Status::Completed);
}

pub async fn a_failed_segment_fails_only_in_its_job(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    harness.say(&job, 0, &[(0, "one"), (2000, "two")]).await;
    let failed = [(5000, Answer::Failed { refused: true })];
    harness.place(&job, 0, &failed).await;
    let (job, recording) = harness.place(&job, 0, &failed).await;
    assert_eq!((recording.state, job.files[0].status), (State::Failed, FileStatus::Failed));
    assert_eq!(job.files[0].failure.as_ref().map(|f| f.code), Some(Code::TranscriptionRefused));
    let progress = job.progress();
    assert_eq!((progress.successful, progress.failed, progress.total), (2, 1, 3));
    assert_eq!(harness.job(job.id).await, job);
    harness.finish(&job).await;
    let next = harness.accept(&ann(), &[phone(0)]).await;
    let next = harness.claim(next.id).await;
    let (next, recording) = harness.plan(&next, 0, speech(&[(0, 1)])).await;
    assert_eq!(
        (next.files[0].status, next.progress().failed),
        (FileStatus::Processing, 0),
        "a new job starts without the failure"
    );
    assert_eq!(recording.plan.and_then(|plan| plan.find(5000).map(|s| s.mark)), Some(Mark::Open));
    let (next, _) = harness.say(&next, 0, &[(5000, "three")]).await;
    assert_eq!(harness.finish(&next).await.status, Status::Completed);
    assert_eq!(harness.talk(&ann()).await, [["one", "two", "three"]]);
}

pub async fn segment_failed_in_one_job_and_done_in_another_is_done(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    harness.place(&job, 0, &[(0, Answer::Failed { refused: false })]).await;
    let other = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    let other = harness.claim(other.id).await;
    harness.plan(&other, 0, speech(&[(0, 900)])).await;
    harness.say(&other, 0, &[(0, "one")]).await;
    let (job, _) = harness.say(&job, 0, &[(2000, "two")]).await;
    assert_eq!((job.files[0].status, job.progress().failed), (FileStatus::Processing, 0));
    let (job, _) = harness.say(&job, 0, &[(5000, "three")]).await;
    assert_eq!((job.files[0].status, harness.finish(&job).await.status), (FileStatus::Done, Status::Completed));
}

pub async fn usage_is_kept_by_the_hour_of_processing(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    let hour = Duration::from_secs(3600);
    for (moment, start, text) in
        [(T0 + hour - MS, 0, "before"), (T0 + hour, 2000, "on the"), (T0 + hour + MS, 5000, "hour")]
    {
        harness.clock.set(moment);
        harness.say(&job, 0, &[(start, text)]).await;
    }
    let buckets = harness.store.usage(&ann(), T0, T0 + 2 * hour, 10).await.unwrap();
    let expected = [Bucket { hour: T0, usage: usage(900, 1, 1) }, Bucket { hour: T0 + hour, usage: usage(2000, 3, 2) }];
    assert_eq!(buckets, expected);
}

pub async fn a_group_over_the_limit_is_refused(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let job = harness.accept(&ann(), &[phone(0)]).await;
    let job = harness.claim(job.id).await;
    let spans: Vec<_> = (0..=MAX_GROUP as u32).map(|i| (i * 1000, i * 1000 + 900)).collect();
    let (job, _) = harness.plan(&job, 0, speech(&spans)).await;
    let texts: Vec<_> = spans.iter().map(|(start, _)| (*start, "x")).collect();
    let (most, one_more) = texts.split_at(MAX_GROUP);
    harness.store(&job, 0, most).await;
    harness.store(&job, 0, one_more).await;
    let answers = texts.iter().map(|(start, _)| (*start, Answer::Text)).collect();
    let group = domain::placement::Group { fence: job.lease.fence, index: 0, answers };
    let error = harness.store.place(job.id, &group, harness.at()).await.unwrap_err();
    assert_eq!((error.kind, harness.usage(&ann()).await), (Kind::Invalid, Usage::default()));
    let (job, _) = harness.say(&job, 0, most).await;
    assert_eq!(job.progress().successful as usize, MAX_GROUP);
}

pub async fn placement_extends_the_lease(store: Arc<dyn Store>) {
    let (harness, job) = planned(store).await;
    harness.pass(harness.rules.lease - MS);
    let (job, _) = harness.place(&job, 0, &[(0, Answer::EmptyOnce)]).await;
    assert_eq!(job.lease.until, Some(harness.now() + harness.rules.lease));
}

pub async fn concurrent_placements_see_each_other(store: Arc<dyn Store>) {
    let harness = Arc::new(Harness::new(store));
    for uid in [ann(), bob()] {
        let mut tasks = Vec::new();
        for n in 0..4 {
            let job = harness.accept(&uid, &[phone(n * 100)]).await;
            let job = harness.claim(job.id).await;
            harness.plan(&job, 0, speech(&[(0, 1000)])).await;
            harness.store(&job, 0, &[(0, "word")]).await;
            let harness = harness.clone();
            tasks.push(tokio::spawn(async move { harness.place(&job, 0, &[(0, Answer::Text)]).await }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(harness.talk(&uid).await, [["word"; 4]], "100 s apart is one conversation");
        assert_eq!(harness.usage(&uid).await, usage(4000, 4, 4));
    }
}
