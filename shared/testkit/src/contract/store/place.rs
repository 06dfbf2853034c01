//! Placing: a segment stands in a conversation once, and is counted once.

use std::sync::Arc;
use std::time::Duration;

use domain::placement::{Answer, MAX_GROUP};
use domain::recording::State;
use domain::{Bucket, Code, Command, FileStatus, Job, Mark, Status, Usage};
use flow::Kind;
use flow::ports::Store;

use super::{MS, ann, bob};
use crate::build::{T0, after, phone, speech};
use crate::scene::Scene;

async fn planned(store: Arc<dyn Store>) -> (Scene, Job) {
    let scene = Scene::new(store);
    let job = scene.accept(&ann(), &[phone(0)]).await;
    let job = scene.claim(job.id).await;
    let (job, _) = scene.plan(&job, 0, speech(&[(0, 900), (2000, 3000), (5000, 6000)])).await;
    (scene, job)
}

fn usage(transcribed_ms: u64, words: u64, segments: u64) -> Usage {
    Usage { transcribed_ms, words, segments }
}

pub async fn a_placed_segment_stands_in_a_conversation_and_is_counted(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    let (job, recording) = scene.say(&job, 0, &[(0, "hello there"), (2000, "who is it")]).await;
    let [conversation] = &scene.conversations(&ann()).await[..] else { panic!("not one conversation") };
    let page = scene.page(&ann(), conversation.id).await.unwrap();
    assert_eq!(page.lines.iter().map(|line| line.start_ms).collect::<Vec<_>>(), [0, 2000]);
    assert!(page.lines.iter().all(|line| line.conversation_id == Some(conversation.id) && !line.attached));
    assert_eq!((conversation.started_at(), conversation.finished_at()), (T0, after(3)));
    assert_eq!(conversation.opening.as_ref().map(|o| o.title.as_str()), Some("hello there"));
    assert_eq!(scene.usage(&ann()).await, usage(1900, 5, 2));
    let marks: Vec<_> = recording.plan.iter().flat_map(|plan| plan.segments()).map(|s| s.mark).collect();
    assert_eq!(marks, [Mark::Placed, Mark::Placed, Mark::Open]);
    let progress = job.progress();
    assert_eq!((progress.total, progress.successful, progress.failed), (3, 2, 0));
    assert_eq!(
        (&job.new_conversation_ids, &recording.conversation_ids),
        (&vec![conversation.id], &vec![conversation.id])
    );
    assert_eq!((scene.job(job.id).await, scene.recording(&job, 0).await), (job, recording));
}

pub async fn a_segment_placed_again_changes_nothing(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    let (_, first) = scene.say(&job, 0, &[(0, "once")]).await;
    let (_, again) = scene.place(&job, 0, &[(0, Answer::Text), (0, Answer::Empty), (0, Answer::EmptyOnce)]).await;
    assert_eq!(again, first);
    assert_eq!(scene.usage(&ann()).await, usage(900, 1, 1));
    assert_eq!(scene.talk(&ann()).await, [["once"]]);
}

pub async fn a_segment_named_twice_in_a_group_counts_once(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    scene.store(&job, 0, &[(0, "once")]).await;
    scene.place(&job, 0, &[(0, Answer::Text), (0, Answer::Text)]).await;
    assert_eq!(scene.usage(&ann()).await, usage(900, 1, 1));
}

pub async fn audio_uploaded_again_is_not_counted_again(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let done = scene.transcribe(&ann(), &phone(0), &[(0, 900, "once and for all")]).await;
    scene.done(done.id, Command::CleanedUp { fence: done.lease.fence }).await;
    scene.clock.set(scene.job(done.id).await.expires_at.unwrap());
    scene.done(done.id, Command::Expire).await;
    let again = scene.accept(&ann(), &[phone(0)]).await;
    assert_eq!(again.status, Status::Completed, "its job is forgotten, the recording is not");
    let mix = scene.accept(&ann(), &[phone(0), phone(90)]).await;
    let mix = scene.claim(mix.id).await;
    scene.work(&mix, 0, &[(0, 900, "once more")]).await;
    assert_eq!(scene.usage(&ann()).await, usage(900, 4, 1));
    assert_eq!(scene.talk(&ann()).await, [["once and for all"]]);
}

pub async fn two_jobs_share_the_segments_of_a_recording(store: Arc<dyn Store>) {
    let (scene, first) = planned(store).await;
    let second = scene.accept(&ann(), &[phone(0), phone(90)]).await;
    let second = scene.claim(second.id).await;
    scene.plan(&second, 0, speech(&[(0, 900)])).await;
    scene.say(&first, 0, &[(0, "one")]).await;
    let (second, _) = scene.say(&second, 0, &[(0, "uno"), (2000, "two")]).await;
    assert_eq!(second.files[0].counts.placed, 2, "what the other job placed counts as done here");
    let (first, recording) = scene.say(&first, 0, &[(2000, "due"), (5000, "three")]).await;
    assert_eq!((recording.state, first.files[0].status), (State::Done, FileStatus::Done));
    let (second, _) = scene.place(&second, 0, &[]).await;
    assert_eq!(second.files[0].status, FileStatus::Done);
    assert_eq!(scene.talk(&ann()).await, [["one", "two", "three"]]);
    assert_eq!(scene.usage(&ann()).await, usage(2900, 3, 3));
}

pub async fn what_is_counted_comes_from_the_stored_line(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    scene.store(&job, 0, &[(0, "three short words")]).await;
    scene.say(&job, 0, &[(0, "many more words that came too late")]).await;
    assert_eq!(scene.usage(&ann()).await, usage(900, 3, 1));
}

pub async fn a_text_that_is_not_stored_is_not_placed(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    let (job, recording) = scene.place(&job, 0, &[(0, Answer::Text)]).await;
    assert_eq!(recording.plan.as_ref().and_then(|plan| plan.find(0)).map(|s| s.mark), Some(Mark::Open));
    assert_eq!((job.files[0].status, job.progress().successful), (FileStatus::Processing, 0));
}

pub async fn silence_on_speech_is_believed_the_second_time_and_never_counted(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    let mark = async || scene.recording(&job, 0).await.plan.and_then(|plan| plan.find(0).map(|s| s.mark));
    scene.place(&job, 0, &[(0, Answer::EmptyOnce)]).await;
    assert_eq!(mark().await, Some(Mark::EmptyOnce));
    scene.place(&job, 0, &[(0, Answer::EmptyOnce)]).await;
    assert_eq!(mark().await, Some(Mark::EmptyOnce), "the same answer told twice is one answer");
    let (after, _) = scene.place(&job, 0, &[(0, Answer::Empty)]).await;
    assert_eq!((mark().await, after.files[0].counts.empty), (Some(Mark::Empty), 1));
    scene.say(&job, 0, &[(0, "an answer after all")]).await;
    assert_eq!(mark().await, Some(Mark::Empty));
    assert_eq!((scene.usage(&ann()).await, scene.talk(&ann()).await.len()), (Usage::default(), 0));
}

pub async fn a_text_after_one_silence_is_placed(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    scene.place(&job, 0, &[(0, Answer::EmptyOnce)]).await;
    scene.say(&job, 0, &[(0, "on second thought")]).await;
    assert_eq!(scene.talk(&ann()).await, [["on second thought"]]);
}

pub async fn a_file_of_nothing_but_accepted_silence_is_done(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    let answers = [0, 2000, 5000].map(|start| (start, Answer::Empty));
    let (job, recording) = scene.place(&job, 0, &answers).await;
    assert_eq!((recording.state, job.files[0].status), (State::Done, FileStatus::Done));
    assert_eq!(scene.finish(&job).await.status, Status::Completed);
}

pub async fn a_failed_segment_fails_only_in_its_job(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    scene.say(&job, 0, &[(0, "one"), (2000, "two")]).await;
    let failed = [(5000, Answer::Failed { refused: true })];
    scene.place(&job, 0, &failed).await;
    let (job, recording) = scene.place(&job, 0, &failed).await;
    assert_eq!((recording.state, job.files[0].status), (State::Failed, FileStatus::Failed));
    assert_eq!(job.files[0].failure.as_ref().map(|f| f.code), Some(Code::TranscriptionRefused));
    let progress = job.progress();
    assert_eq!((progress.successful, progress.failed, progress.total), (2, 1, 3));
    assert_eq!(scene.job(job.id).await, job);
    scene.finish(&job).await;
    let next = scene.accept(&ann(), &[phone(0)]).await;
    let next = scene.claim(next.id).await;
    let (next, recording) = scene.plan(&next, 0, speech(&[(0, 1)])).await;
    assert_eq!((next.files[0].status, next.progress().failed), (FileStatus::Processing, 0), "a new job starts without");
    assert_eq!(recording.plan.and_then(|plan| plan.find(5000).map(|s| s.mark)), Some(Mark::Open));
    let (next, _) = scene.say(&next, 0, &[(5000, "three")]).await;
    assert_eq!(scene.finish(&next).await.status, Status::Completed);
    assert_eq!(scene.talk(&ann()).await, [["one", "two", "three"]]);
}

pub async fn a_segment_that_failed_here_and_was_done_elsewhere_is_done(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    scene.place(&job, 0, &[(0, Answer::Failed { refused: false })]).await;
    let other = scene.accept(&ann(), &[phone(0), phone(90)]).await;
    let other = scene.claim(other.id).await;
    scene.plan(&other, 0, speech(&[(0, 900)])).await;
    scene.say(&other, 0, &[(0, "one")]).await;
    let (job, _) = scene.say(&job, 0, &[(2000, "two")]).await;
    assert_eq!((job.files[0].status, job.progress().failed), (FileStatus::Processing, 0));
    let (job, _) = scene.say(&job, 0, &[(5000, "three")]).await;
    assert_eq!((job.files[0].status, scene.finish(&job).await.status), (FileStatus::Done, Status::Completed));
}

pub async fn usage_is_kept_by_the_hour_of_processing(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    let hour = Duration::from_secs(3600);
    for (moment, start, text) in
        [(T0 + hour - MS, 0, "before"), (T0 + hour, 2000, "on the"), (T0 + hour + MS, 5000, "hour")]
    {
        scene.clock.set(moment);
        scene.say(&job, 0, &[(start, text)]).await;
    }
    let buckets = scene.store.usage(&ann(), T0, T0 + 2 * hour, 10).await.unwrap();
    let expected = [Bucket { hour: T0, usage: usage(900, 1, 1) }, Bucket { hour: T0 + hour, usage: usage(2000, 3, 2) }];
    assert_eq!(buckets, expected);
}

pub async fn a_group_over_the_limit_is_refused(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let job = scene.accept(&ann(), &[phone(0)]).await;
    let job = scene.claim(job.id).await;
    let spans: Vec<_> = (0..=MAX_GROUP as u32).map(|i| (i * 1000, i * 1000 + 900)).collect();
    let (job, _) = scene.plan(&job, 0, speech(&spans)).await;
    let texts: Vec<_> = spans.iter().map(|(start, _)| (*start, "x")).collect();
    let (most, one_more) = texts.split_at(MAX_GROUP);
    scene.store(&job, 0, most).await;
    scene.store(&job, 0, one_more).await;
    let answers = texts.iter().map(|(start, _)| (*start, Answer::Text)).collect();
    let group = domain::placement::Group { fence: job.lease.fence, index: 0, answers };
    let error = scene.store.place(job.id, &group, scene.at()).await.unwrap_err();
    assert_eq!((error.kind, scene.usage(&ann()).await), (Kind::Invalid, Usage::default()));
    let (job, _) = scene.say(&job, 0, most).await;
    assert_eq!(job.progress().successful as usize, MAX_GROUP);
}

pub async fn placing_shows_that_the_worker_lives(store: Arc<dyn Store>) {
    let (scene, job) = planned(store).await;
    scene.pass(scene.rules.lease - MS);
    let (job, _) = scene.place(&job, 0, &[(0, Answer::EmptyOnce)]).await;
    assert_eq!(job.lease.until, Some(scene.now() + scene.rules.lease));
}

pub async fn placements_at_once_miss_nothing_of_one_another(store: Arc<dyn Store>) {
    let scene = Arc::new(Scene::new(store));
    for uid in [ann(), bob()] {
        let mut tasks = Vec::new();
        for n in 0..4 {
            let job = scene.accept(&uid, &[phone(n * 100)]).await;
            let job = scene.claim(job.id).await;
            scene.plan(&job, 0, speech(&[(0, 1000)])).await;
            scene.store(&job, 0, &[(0, "word")]).await;
            let scene = scene.clone();
            tasks.push(tokio::spawn(async move { scene.place(&job, 0, &[(0, Answer::Text)]).await }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(scene.talk(&uid).await, [["word"; 4]], "100 s apart is one conversation");
        assert_eq!(scene.usage(&uid).await, usage(4000, 4, 4));
    }
}
