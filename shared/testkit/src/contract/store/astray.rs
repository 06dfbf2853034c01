//! Jobs that were written while a clock ran ahead are found, and are due now.

use std::sync::Arc;
use std::time::Duration;

use domain::job::{DispatchState, WaitingFor};
use domain::need::{Need, need};
use domain::transition::{is_astray, may_be_astray_beyond};
use domain::{Command, Job, JobId, PutBack, Refusal, Status, Timestamp};
use flow::ports::{DueCursor, Store};

use super::{MS, ann, user};
use crate::build::{batch_as, job_id, phone};
use crate::scene::Scene;

const DAY: Duration = Duration::from_secs(86_400);

async fn beyond(scene: &Scene, statuses: &[Status], at: Timestamp, limit: usize) -> Vec<JobId> {
    let jobs = scene.store.due_beyond(statuses, at, None, limit).await.unwrap();
    jobs.iter().map(|job| job.id).collect()
}

/// Three days ahead for a moment.
async fn ahead<T>(scene: &Scene, does: impl Future<Output = T>) -> T {
    let now = scene.now();
    scene.pass(3 * DAY);
    let done = does.await;
    scene.clock.set(now);
    done
}

/// Found by the question of the sweep, corrected, and due now or in time.
async fn is_corrected(scene: &Scene, job: &Job) -> Job {
    let from = may_be_astray_beyond(job.status, scene.now(), &scene.rules);
    assert_eq!(beyond(scene, &[job.status], from, 10).await, [job.id], "{job:?}");
    assert!(is_astray(job, scene.now(), &scene.rules));
    let after = scene.done(job.id, Command::CorrectClock).await;
    assert_eq!((after.updated_at, scene.job(job.id).await), (scene.now(), after.clone()));
    assert!(!is_astray(&after, scene.now(), &scene.rules));
    assert_eq!(beyond(scene, &[job.status], from, 10).await, []);
    assert_eq!(scene.refused(job.id, Command::CorrectClock).await, Refusal::NotDue);
    after
}

pub async fn what_is_due_beyond_a_moment_is_told_by_status_soonest_first(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    for n in [5, 3, 1, 2, 4, 6] {
        scene.accept_batch(&batch_as(job_id(n), &user(n as i64), &[phone(0)])).await;
        if n == 1 {
            scene.pass(MS);
        }
    }
    let claimed = scene.claim(job_id(6)).await;
    let first = scene.job(job_id(1)).await.due_at.unwrap();
    let queued = [Status::Queued];
    assert_eq!(beyond(&scene, &queued, first - MS, 10).await, [1, 3, 5, 2, 4].map(job_id));
    assert_eq!(beyond(&scene, &queued, first - MS, 2).await, [1, 3].map(job_id));
    assert_eq!(beyond(&scene, &queued, first, 10).await, [2, 4].map(job_id), "beyond it, not at it");
    assert_eq!(beyond(&scene, &[Status::Processing], first, 10).await, [claimed.id]);
    let both = [Status::Processing, Status::Queued];
    assert_eq!(beyond(&scene, &both, first, 10).await, [2, 4, 6].map(job_id));
    assert_eq!(beyond(&scene, &[Status::Failed], first, 10).await, []);
    for size in 1..=6 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = scene.store.due_beyond(&both, first - MS, after, size).await.unwrap();
            let Some(last) = page.last() else { break };
            after = last.due_at.map(|due_at| DueCursor { due_at, id: last.id });
            assert!(page.len() <= size);
            seen.extend(page.iter().map(|job| job.id));
        }
        assert_eq!(seen, [1, 3, 5, 2, 4, 6].map(job_id), "pages of {size}");
    }
}

pub async fn a_queued_job_of_a_clock_that_ran_ahead_is_due_now(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let job = scene.accept(&ann(), &[phone(0)]).await;
    let schedule = Some(scene.now() + 3 * DAY);
    let job = ahead(&scene, scene.done(job.id, Command::Enqueued { number: 1, schedule })).await;
    let after = is_corrected(&scene, &job).await;
    assert_eq!((after.due_at, after.dispatch.not_before), (Some(scene.now()), None));
    assert_eq!((after.dispatch.state, after.dispatch.number), (DispatchState::Pending, 2), "its task is for then too");
}

pub async fn a_job_that_waits_by_a_clock_that_ran_ahead_is_due_now(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let job = scene.accept(&ann(), &[phone(0)]).await;
    let postpone = Command::Postpone { until: scene.now() + 3 * DAY + DAY / 24, waiting_for: WaitingFor::Engine };
    let job = ahead(&scene, scene.done(job.id, postpone)).await;
    let after = is_corrected(&scene, &job).await;
    assert!(after.is_parked());
    assert_eq!((after.due_at, after.waiting_since), (Some(scene.now()), Some(scene.now())));
    assert_eq!(need(&after, scene.now(), &scene.rules), Need::TakeTurn);
}

pub async fn a_lease_of_a_clock_that_ran_ahead_ends_now(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let job = scene.accept(&ann(), &[phone(0)]).await;
    let job = ahead(&scene, scene.claim(job.id)).await;
    let after = is_corrected(&scene, &job).await;
    assert_eq!((after.lease.until, after.due_at), (Some(scene.now()), Some(scene.now())));
    assert_eq!(need(&after, scene.now(), &scene.rules), Need::Recover);
    assert_eq!(scene.done(job.id, Command::Recover).await.status, Status::Queued);
}

pub async fn a_session_of_a_clock_that_ran_ahead_has_its_time_from_now(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let names = [phone(0)];
    let job = ahead(&scene, scene.session(&ann(), &names)).await;
    let after = is_corrected(&scene, &job).await;
    assert_eq!(after.due_at, Some(scene.now() + scene.rules.upload_session));
}

pub async fn an_end_of_a_clock_that_ran_ahead_is_cleaned_up_in_time(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let job = scene.accept(&ann(), &[phone(0)]).await;
    let job = ahead(&scene, async {
        let job = scene.done(job.id, Command::Cancel).await;
        scene.done(job.id, Command::CleanedUp { fence: job.lease.fence }).await
    })
    .await;
    let later = scene.now() + 2 * DAY;
    assert_eq!(job.due_at, Some(later + DAY + scene.rules.retention), "three days late");
    let after = is_corrected(&scene, &job).await;
    assert_eq!(after.expires_at, Some(scene.now() + scene.rules.retention));
    assert_eq!(after.due_at, after.expires_at);
}

pub async fn a_job_that_is_in_order_is_not_touched(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let asked = PutBack::Engine { retry_after: Some(3 * DAY) };
    let job = scene.accept(&ann(), &[phone(0)]).await;
    let job = scene.claim(job.id).await;
    let fence = job.lease.fence;
    let job = scene.done(job.id, Command::PutBack { fence, cause: asked, jitter: 0.0 }).await;
    assert_eq!(job.due_at, Some(scene.now() + 3 * DAY), "as a provider wished");
    assert_eq!(scene.refused(job.id, Command::CorrectClock).await, Refusal::NotDue);
    for n in 1..=4 {
        scene.accept_batch(&batch_as(job_id(n), &ann(), &[phone(n as i64)])).await;
    }
    let waits = scene.accept_batch(&batch_as(job_id(5), &ann(), &[phone(5)])).await;
    assert!(waits.waits_for_its_turn() && waits.due_at > Some(scene.now() + 20 * DAY));
    assert_eq!(scene.refused(waits.id, Command::CorrectClock).await, Refusal::NotDue);
}

pub async fn a_change_after_the_clock_came_back_has_its_own_moment(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let job = scene.accept(&ann(), &[phone(0)]).await;
    let job = ahead(&scene, scene.done(job.id, Command::Enqueued { number: 1, schedule: None })).await;
    assert!(job.updated_at > scene.now() + 2 * DAY);
    scene.pass(MS);
    assert_eq!(scene.done(job.id, Command::Cancel).await.updated_at, scene.now());
}
