//! Putting a job back: it comes again when its cause has passed, and only the worker's own faults count.

use std::sync::Arc;
use std::time::Duration;

use domain::command::Action;
use domain::job::WaitingFor;
use domain::{Blame, Code, Command, Job, PutBack, Status, Timestamp};
use flow::ports::{Stepped, Store};

use super::{MS, ann, user};
use crate::build::{phone, speech};
use crate::scene::Scene;

const MINUTE: Duration = Duration::from_secs(60);

async fn held(store: Arc<dyn Store>) -> (Scene, Job) {
    let scene = Scene::new(store);
    let job = scene.accept(&ann(), &[phone(0)]).await;
    let job = scene.claim(job.id).await;
    (scene, job)
}

async fn put_back(scene: &Scene, job: &Job, cause: PutBack) -> Job {
    let command = Command::PutBack { fence: job.lease.fence, cause, jitter: 1.0 };
    let stepped = scene.step(job.id, &command).await;
    let Stepped::Done { job: after, actions, .. } = stepped else { panic!("{stepped:?}") };
    assert_eq!(scene.job(job.id).await, after, "what was answered is what was written");
    if after.status == Status::Queued {
        assert_eq!(actions, [Action::Enqueue]);
        assert_eq!((after.dispatch.number, after.lease.owner), (job.dispatch.number + 1, None));
        let again = scene.step(job.id, &command).await;
        assert_eq!(again, Stepped::Done { job: after.clone(), actions, promoted: vec![] }, "repeated");
    }
    after
}

fn fault(code: Code) -> PutBack {
    PutBack::Fault { code, retry_after: None }
}

pub async fn a_fault_counts_and_backs_off(store: Arc<dyn Store>) {
    let (scene, job) = held(store).await;
    let after = put_back(&scene, &job, fault(Code::Internal)).await;
    assert_eq!((after.attempt, after.due_at), (1, Some(scene.now() + scene.rules.backoff_min)));
    scene.pass(scene.rules.backoff_min);
    let job = scene.claim(job.id).await;
    let after = put_back(&scene, &job, fault(Code::Internal)).await;
    assert_eq!((after.attempt, after.due_at), (2, Some(scene.now() + 2 * scene.rules.backoff_min)));
}

pub async fn the_last_fault_ends_the_job_with_its_code(store: Arc<dyn Store>) {
    let (scene, mut job) = held(store).await;
    for _ in 1..scene.rules.max_attempts {
        put_back(&scene, &job, fault(Code::TranscriptionFailed)).await;
        job = scene.claim(job.id).await;
    }
    let ended = put_back(&scene, &job, fault(Code::TranscriptionFailed)).await;
    assert_eq!(ended.status, Status::Failed);
    assert_eq!(ended.files[0].failure.as_ref().map(|failure| failure.code), Some(Code::TranscriptionFailed));
}

pub async fn a_deadline_with_progress_does_not_count(store: Arc<dyn Store>) {
    let (scene, job) = held(store).await;
    scene.plan(&job, 0, speech(&[(0, 900), (2000, 3000)])).await;
    scene.say(&job, 0, &[(0, "a start")]).await;
    let after = put_back(&scene, &job, PutBack::Deadline).await;
    assert_eq!((after.attempt, after.due_at), (0, Some(scene.now())));
    let job = scene.claim(job.id).await;
    let after = put_back(&scene, &job, PutBack::Deadline).await;
    assert_eq!(after.attempt, 1, "without progress it does");
}

pub async fn a_shutdown_does_not_count(store: Arc<dyn Store>) {
    let (scene, job) = held(store).await;
    let after = put_back(&scene, &job, PutBack::Shutdown).await;
    assert_eq!((after.attempt, after.due_at, after.waiting_for), (0, Some(scene.now()), None));
}

pub async fn a_silent_engine_is_waited_for(store: Arc<dyn Store>) {
    let (scene, job) = held(store).await;
    let after = put_back(&scene, &job, PutBack::Engine { retry_after: Some(7 * MINUTE) }).await;
    let until = Some(scene.now() + 7 * MINUTE);
    assert_eq!((after.attempt, after.waiting_for), (0, Some(WaitingFor::Engine)));
    assert_eq!((after.waiting_since, after.waiting_until, after.due_at), (Some(scene.now()), until, until));
    scene.pass(7 * MINUTE);
    let job = scene.claim(job.id).await;
    assert_eq!((job.waiting_for, job.waiting_until), (None, None));
    assert_eq!(job.waiting_since, after.waiting_since, "the wait goes on until something is done");
}

pub async fn a_used_up_budget_is_waited_for(store: Arc<dyn Store>) {
    let (scene, job) = held(store).await;
    let until = scene.now() + 600 * MINUTE;
    let after = put_back(&scene, &job, PutBack::Budget { until }).await;
    assert_eq!((after.attempt, after.waiting_for), (0, Some(WaitingFor::Budget)));
    assert_eq!((after.waiting_until, after.due_at), (Some(until), Some(until)));
}

pub async fn the_longest_wait_ends_the_job_and_not_sooner(store: Arc<dyn Store>) {
    for (early, over) in [(1, false), (0, true), (-1, true)] {
        let scene = Scene::new(store.clone());
        let job = scene.accept(&user(early), &[phone(0)]).await;
        let job = scene.claim(job.id).await;
        let since = scene.now();
        put_back(&scene, &job, PutBack::Engine { retry_after: None }).await;
        scene.clock.set(Timestamp::from_millis((since + scene.rules.max_wait).millis() - early));
        let job = scene.claim(job.id).await;
        let after = put_back(&scene, &job, PutBack::Engine { retry_after: None }).await;
        assert_eq!(after.status, if over { Status::Failed } else { Status::Queued }, "{early} ms early");
        if over {
            let error = after.error.unwrap();
            assert_eq!((error.code, error.blame), (Code::WaitedTooLong, Blame::Service));
        }
    }
}

pub async fn progress_starts_the_wait_anew(store: Arc<dyn Store>) {
    let (scene, job) = held(store).await;
    put_back(&scene, &job, PutBack::Engine { retry_after: None }).await;
    scene.pass(scene.rules.max_wait - MS);
    let job = scene.claim(job.id).await;
    // A plan alone is no progress; a segment is.
    scene.plan(&job, 0, speech(&[(0, 900), (2000, 2900)])).await;
    scene.say(&job, 0, &[(0, "one")]).await;
    let after = put_back(&scene, &job, PutBack::Engine { retry_after: None }).await;
    assert_eq!(after.waiting_since, Some(scene.now()));
}
