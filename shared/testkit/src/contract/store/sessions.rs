//! Upload sessions: a session owns no recordings until it is completed, and repeating a request changes nothing.

use std::sync::Arc;
use std::time::Duration;

use domain::job::{Audio, DispatchState, Effect};
use domain::{Code, Command, FileStatus, Job, Refusal, ReplacedUpload, Status, UploadUrl};
use flow::Kind;
use flow::ports::{Created, JobQuery, Opened, Page, SessionCompleted, Store};

use super::{MS, ann, bob};
use crate::build::{batch, conversation_id, phone, session, session_of, whole};
use crate::harness::Harness;

fn opened(opened: Opened) -> Job {
    match opened {
        Opened::Session { job, .. } => job,
        known => panic!("no session: {known:?}"),
    }
}

fn completed(completed: SessionCompleted) -> Job {
    match completed {
        SessionCompleted::Job { job, .. } => job,
        other => panic!("no job: {other:?}"),
    }
}

async fn knows(harness: &Harness, session: &Job) -> bool {
    let ids: Vec<_> = session.files.iter().map(|file| file.recording).collect();
    harness.store.recordings(&session.uid, &ids).await.unwrap().iter().any(Option::is_some)
}

pub async fn session_is_a_job_that_owns_no_recordings(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let session = harness.session(&ann(), &[phone(0), phone(90)]).await;
    assert_eq!((session.status, session.attempt, session.started_at), (Status::Uploading, 0, None));
    assert_eq!(session.due_at, Some(harness.now() + harness.rules.upload_session));
    assert!(session.files.iter().all(|file| file.status == FileStatus::Queued && file.needs_bytes()));
    assert_eq!(harness.job(session.id).await, session);
    assert!(!knows(&harness, &session).await, "no recording is bound to the session");
    let job = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    assert_ne!(job.id, session.id, "an abandoned session blocks no other");
    assert_eq!(
        harness.store.jobs_with_audio(&[session.id]).await.unwrap(),
        [session.id],
        "the blobs of the session are no orphans"
    );
}

pub async fn repeated_request_with_the_same_files_returns_the_same_session(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let first = harness.session(&ann(), &[phone(0), phone(90)]).await;
    harness.pass(MS);
    let mut again = session(&ann(), &[phone(90), phone(0)]);
    again.conversation_id = Some(conversation_id(7));
    again.language = Some("de".into());
    let found = opened(harness.open(&again).await);
    assert_eq!(
        (found.id, found.conversation_id, found.language.as_deref()),
        (first.id, again.conversation_id, Some("de"))
    );
    assert_eq!(found.files, first.files);
    assert_eq!(harness.job(first.id).await, found, "the values of the latest request are stored");
    for other in [session(&ann(), &[phone(0)]), session(&bob(), &[phone(0), phone(90)])] {
        assert_ne!(opened(harness.open(&other).await).id, first.id);
    }
    let mut longer = session(&ann(), &[phone(0), phone(90)]);
    longer.files[0].size += 1;
    assert_ne!(opened(harness.open(&longer).await).id, first.id);
}

pub async fn one_of_many_concurrent_requests_opens_the_session(store: Arc<dyn Store>) {
    let harness = Arc::new(Harness::new(store));
    let open = |_| {
        let harness = harness.clone();
        tokio::spawn(async move { harness.session(&ann(), &[phone(0)]).await.id })
    };
    let tasks: Vec<_> = (0..8).map(open).collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.push(task.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

pub async fn job_of_another_user_is_never_returned_as_a_session(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let taken = harness.session(&bob(), &[phone(0)]).await;
    let mut request = session(&ann(), &[phone(0)]);
    request.job_id = taken.id;
    let refused = harness.store.open_session(&request, harness.at()).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Conflict);
}

pub async fn known_recordings_need_no_upload(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let done = harness.transcribe(&ann(), &phone(0), &[(0, 900, "one")]).await;
    assert_eq!(harness.open(&session(&ann(), &[phone(0)])).await, Opened::Known(done.clone()));
    let live = harness.accept(&ann(), &[phone(500)]).await;
    assert_eq!(harness.open(&session(&ann(), &[phone(500)])).await, Opened::Known(live));
    let mixed = harness.session(&ann(), &[phone(0), phone(90)]).await;
    assert_eq!((mixed.files[0].status, mixed.files[0].needs_bytes()), (FileStatus::Done, false));
    assert_eq!((mixed.files[1].status, mixed.files[1].needs_bytes()), (FileStatus::Queued, true));
    harness.transcribe(&ann(), &phone(5000), &[(0, 900, "two")]).await;
    let request = session(&ann(), &[phone(0), phone(5000)]);
    let born = harness.open(&request).await;
    let Opened::Known(job) = &born else { panic!("{born:?}") };
    assert_eq!((job.id, job.status, job.attempt), (request.job_id, Status::Completed, 0));
    assert_eq!(harness.open(&request).await, born, "a repeated request returns the same session");
}

pub async fn first_upload_url_of_a_file_is_kept(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let session = harness.session(&ann(), &[phone(0), phone(90)]).await;
    let url = |text: &str| UploadUrl::new(text.to_owned());
    let urls = vec![(0, url("a")), (9, url("x"))];
    harness.done(session.id, Command::UploadsStarted { urls }).await;
    let job = harness.done(session.id, Command::UploadsStarted { urls: vec![(0, url("b")), (1, url("c"))] }).await;
    let urls: Vec<_> = job.files.iter().map(|file| file.upload.clone().unwrap().url.unwrap()).collect();
    assert_eq!(urls, [url("a"), url("c")]);
    let job = completed(harness.complete(&job).await);
    let why = harness.refused(job.id, Command::UploadsStarted { urls: vec![(0, url("d"))] }).await;
    assert_eq!(why, Refusal::NotUploading(Status::Queued));
}

pub async fn ended_upload_is_replaced_by_the_first_request_that_does_so(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let session = harness.session(&ann(), &[phone(0), phone(90)]).await;
    let url = |text: &str| UploadUrl::new(text.to_owned());
    harness.done(session.id, Command::UploadsStarted { urls: vec![(0, url("a")), (1, url("b"))] }).await;
    let replace = |index, dead, new| Command::UploadsReplaced {
        replacements: vec![ReplacedUpload { index, dead: url(dead), url: url(new) }],
    };
    let urls =
        |job: &Job| -> Vec<_> { job.files.iter().map(|file| file.upload.clone().unwrap().url.unwrap()).collect() };
    let first = harness.done(session.id, replace(0, "a", "c")).await;
    assert_eq!(urls(&first), [url("c"), url("b")]);
    assert_eq!(harness.job(session.id).await, first);
    let second = harness.done(session.id, replace(0, "a", "d")).await;
    assert_eq!(urls(&second), [url("c"), url("b")], "both requests get the address that was stored first");
    assert_eq!(harness.done(session.id, replace(0, "a", "c")).await, first, "a repeated command changes nothing");
    assert_eq!(urls(&harness.done(session.id, replace(9, "a", "x")).await), [url("c"), url("b")]);
    let job = completed(harness.complete(&session).await);
    let why = harness.refused(job.id, replace(1, "b", "e")).await;
    assert_eq!(why, Refusal::NotUploading(Status::Queued));
}

pub async fn a_completed_session_is_a_job_like_any_other(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let session = harness.session(&ann(), &[phone(0), phone(90)]).await;
    harness.pass(Duration::from_secs(3600));
    let answer = harness.complete(&session).await;
    let SessionCompleted::Job { job, deduplicated: false } = answer.clone() else { panic!("{answer:?}") };
    assert_eq!((job.id, job.status, job.dispatch.state), (session.id, Status::Queued, DispatchState::Pending));
    assert_eq!(job.due_at, Some(harness.now() + harness.rules.enqueue_grace));
    assert_eq!(job.files[1].crc32c, whole(&session)[1].crc32c);
    assert_eq!(harness.recording(&job, 0).await.latest_job, job.id);
    assert_eq!(harness.complete(&session).await, answer, "a repeated completion returns the same answer");
    let again = harness.create(&batch(&ann(), &[phone(0)])).await;
    assert_eq!(again, Created::Answered(job.clone()));
    let claimed = harness.claim(job.id).await;
    harness.work(&claimed, 0, &[(0, 900, "one")]).await;
    harness.work(&claimed, 1, &[(0, 900, "two")]).await;
    let ended = harness.finish(&claimed).await;
    assert_eq!(ended.status, Status::Completed);
    assert_eq!(harness.complete(&session).await, SessionCompleted::Job { job: ended, deduplicated: false });
}

pub async fn completed_session_waits_for_a_slot(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let session = harness.session(&ann(), &[phone(0)]).await;
    let mut last = None;
    for n in 1..=i64::from(harness.rules.enqueued_per_user) {
        last = Some(harness.accept(&ann(), &[phone(1000 * n)]).await);
    }
    let job = completed(harness.complete(&session).await);
    assert_eq!(job.dispatch.state, DispatchState::Waiting);
    harness.step(last.unwrap().id, &Command::Cancel).await;
    assert_eq!(harness.job(job.id).await.dispatch.state, DispatchState::Pending);
}

pub async fn session_with_missing_bytes_is_not_completed(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let session = harness.session(&ann(), &[phone(0), phone(90)]).await;
    let all = whole(&session);
    let mut other_sum = all.clone();
    other_sum[0].crc32c ^= 1;
    let mut short = all.clone();
    short[1].size -= 1;
    for (whole, missing) in [(vec![], vec![0, 1]), (all[..1].to_vec(), vec![1]), (other_sum, vec![0]), (short, vec![1])]
    {
        let answer = harness.store.complete_session(session.id, &whole, harness.at()).await.unwrap();
        assert_eq!(answer, SessionCompleted::Incomplete { job: session.clone(), missing });
    }
    assert_eq!(harness.job(session.id).await, session, "nothing is written");
    assert!(!knows(&harness, &session).await);
}

pub async fn bytes_transcribed_by_another_job_are_not_missing(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let session = harness.session(&ann(), &[phone(0), phone(90)]).await;
    harness.transcribe(&ann(), &phone(0), &[(0, 900, "one")]).await;
    let asked_again = harness.session(&ann(), &[phone(0), phone(90)]).await;
    assert_eq!((asked_again.id, asked_again.files[0].needs_bytes()), (session.id, false));
    let whole = whole(&session)[1..].to_vec();
    let job = completed(harness.store.complete_session(session.id, &whole, harness.at()).await.unwrap());
    assert_eq!([job.files[0].status, job.files[1].status], [FileStatus::Done, FileStatus::Queued]);
}

pub async fn other_job_with_the_same_recordings_is_returned_for_the_session(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let session = harness.session(&ann(), &[phone(0)]).await;
    let live = harness.accept(&ann(), &[phone(0), phone(90)]).await;
    let answer = harness.complete(&session).await;
    let SessionCompleted::Answered { by, session: ended } = answer.clone() else { panic!("{answer:?}") };
    assert_eq!((by.id, ended.status, ended.answered_by), (live.id, Status::Cancelled, Some(live.id)));
    assert_eq!(
        (ended.effects.cleanup, ended.effects.push, ended.audio),
        (Effect::Due(harness.now()), Effect::None, Audio::Gone)
    );
    assert_eq!(harness.complete(&session).await, answer, "and goes on answering");
    let claimed = harness.claim(live.id).await;
    let SessionCompleted::Answered { by, .. } = harness.complete(&session).await else { panic!("not answered") };
    assert_eq!(*by, claimed, "the job in its present state");
}

pub async fn session_finished_in_several_jobs_is_created_completed(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let session = harness.session(&ann(), &[phone(0), phone(5000)]).await;
    harness.transcribe(&ann(), &phone(0), &[(0, 900, "one")]).await;
    harness.transcribe(&ann(), &phone(5000), &[(0, 900, "two")]).await;
    let answer = harness.complete(&session).await;
    let SessionCompleted::Job { job, deduplicated: true } = &answer else { panic!("{answer:?}") };
    assert_eq!((job.id, job.status, job.effects.push), (session.id, Status::Completed, Effect::None));
    assert_eq!(harness.complete(&session).await, answer);
    assert_eq!(harness.usage(&ann()).await.segments, 2);
}

pub async fn session_expires_at_its_time_limit(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let session = harness.session(&ann(), &[phone(0)]).await;
    let end = session.due_at.unwrap();
    harness.clock.set(end - MS);
    assert_eq!(harness.refused(session.id, Command::ExpireUpload).await, Refusal::NotDue);
    assert_eq!(harness.store.due_jobs(harness.now(), Page::first(10)).await.unwrap(), []);
    harness.clock.set(end);
    assert_eq!(harness.store.due_jobs(harness.now(), Page::first(10)).await.unwrap(), std::slice::from_ref(&session));
    let ended = harness.done(session.id, Command::ExpireUpload).await;
    assert_eq!((ended.status, ended.error.as_ref().unwrap().code), (Status::Cancelled, Code::UploadExpired));
    assert_eq!((ended.effects.cleanup, ended.audio), (Effect::Due(end), Audio::Gone));
    assert_eq!(harness.complete(&session).await, SessionCompleted::Ended(ended));
    let job = completed(harness.complete(&harness.session(&ann(), &[phone(0)]).await).await);
    let why = harness.refused(job.id, Command::ExpireUpload).await;
    assert_eq!(why, Refusal::NotUploading(Status::Queued), "a completed session does not expire");
}

pub async fn cancelled_session_accepts_no_more_bytes(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let session = harness.session(&ann(), &[phone(0)]).await;
    let ended = harness.done(session.id, Command::Cancel).await;
    assert_eq!((ended.status, ended.effects.cleanup), (Status::Cancelled, Effect::Due(harness.now())));
    assert_eq!(harness.complete(&session).await, SessionCompleted::Ended(ended));
    let next = harness.session(&ann(), &[phone(0)]).await;
    assert_ne!(next.id, session.id, "a repeated request opens a new session");
}

pub async fn oldest_session_is_cancelled_above_the_limit(store: Arc<dyn Store>) {
    let mut harness = Harness::new(store);
    harness.rules.open_sessions_per_user = 3;
    let mut sessions = Vec::new();
    for n in 0..3 {
        sessions.push(harness.session(&ann(), &[phone(100 * n)]).await);
        harness.pass(MS);
    }
    harness.session(&bob(), &[phone(0)]).await;
    let Opened::Session { job, ended } = harness.open(&session(&ann(), &[phone(900)])).await else { panic!("known") };
    let ended: Vec<_> = ended.iter().map(|job| (job.id, job.error.as_ref().unwrap().code)).collect();
    assert_eq!(ended, [(sessions[0].id, Code::UploadExpired)]);
    assert_eq!(harness.job(sessions[0].id).await.status, Status::Cancelled);
    let all = JobQuery::all(&ann(), Page::first(10), harness.now());
    let open = harness.store.jobs(&JobQuery { statuses: vec![Status::Uploading], ..all }).await.unwrap();
    assert_eq!(open.iter().map(|job| job.id).collect::<Vec<_>>(), [job.id, sessions[2].id, sessions[1].id]);
}

pub async fn unknown_session_is_not_found(store: Arc<dyn Store>) {
    let harness = Harness::new(store);
    let nothing = batch(&ann(), &[phone(0)]).job_id;
    let answer = harness.store.complete_session(nothing, &[], harness.at()).await.unwrap();
    assert_eq!(answer, SessionCompleted::NoSuchJob);
}

pub async fn session_operation_is_repeated_safely_after_a_lost_answer(store: Arc<dyn Store>) {
    for seed in 1..=6 {
        let fault_injection =
            crate::LosesAnswers::planned(store.clone(), crate::fault_injection::Plan::seeded(seed, 2));
        let (harness, uid) = (Harness::new(Arc::new(fault_injection)), super::user(seed as i64));
        let request = session_of(batch(&uid, &[phone(0)]));
        let session = opened(harness.open(&request).await);
        assert_eq!(session.id, request.job_id);
        let urls = vec![(0, UploadUrl::new("a".into()))];
        harness.done(session.id, Command::UploadsStarted { urls }).await;
        assert_eq!(completed(harness.complete(&session).await).id, session.id);
        let expires = opened(harness.open(&session_of(batch(&uid, &[phone(90)]))).await);
        harness.clock.set(expires.due_at.unwrap());
        assert_eq!(harness.done(expires.id, Command::ExpireUpload).await.status, Status::Cancelled);
        let jobs = harness.store.jobs(&JobQuery::all(&uid, Page::first(10), harness.now())).await.unwrap();
        assert_eq!(jobs.len(), 2, "seed {seed}: {jobs:?}");
    }
}
