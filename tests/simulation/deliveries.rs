//! The delivery of tasks, at least once, and the regular sweep.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use domain::Job;
use flow::ports::{Clock, NewTask};
use tower::ServiceExt;

use crate::kept::Kept;

/// A task that was not done is delivered again after this time.
const AGAIN: Duration = Duration::from_secs(10);
const SWEEP: Duration = Duration::from_secs(60);
/// How often the sweep runs while nothing is unfinished.
const RARE_SWEEP: Duration = Duration::from_secs(3_600);

async fn post(router: &Router, path: &str, secret: &str, body: String) -> StatusCode {
    let request = Request::post(path)
        .header("host", "localhost")
        .header("x-task-secret", secret)
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    let Ok(response) = router.clone().oneshot(request).await;
    response.status()
}

/// Delivers what is due, for ever.
pub async fn deliver(kept: Arc<Kept>, router: Router, secret: String) {
    // What an earlier process was given and did not end comes again.
    for task in std::mem::take(&mut *kept.delivering.lock().unwrap()) {
        kept.queue.tasks.deliver_again(task, kept.clock.now() + AGAIN);
    }
    loop {
        let now = kept.clock.now();
        for task in kept.queue.tasks.take_due(now) {
            let copies = 1 + u32::from(kept.random.permille(20));
            for _ in 0..copies {
                kept.delivering.lock().unwrap().push(task.clone());
                tokio::spawn(one(Arc::clone(&kept), router.clone(), secret.clone(), task.clone()));
            }
        }
        let next = kept.queue.tasks.next_due().map(|due| now.until(due).max(Duration::from_millis(1)));
        tokio::select! {
            () = kept.queue.changed.notified() => {}
            () = tokio::time::sleep(next.unwrap_or(RARE_SWEEP)) => {}
        }
    }
}

async fn one(kept: Arc<Kept>, router: Router, secret: String, task: NewTask) {
    let body = serde_json::to_string(&task.body).unwrap();
    let status = post(&router, api::process::TASK_PATH, &secret, body).await;
    let mut delivering = kept.delivering.lock().unwrap();
    if let Some(index) = delivering.iter().position(|other| *other == task) {
        delivering.swap_remove(index);
    }
    drop(delivering);
    if !status.is_success() {
        kept.queue.tasks.deliver_again(task, kept.clock.now() + AGAIN);
        kept.queue.changed.notify_one();
    }
}

/// Sweeps every minute while a job is unfinished, and for some time after a request.
pub async fn sweep(kept: Arc<Kept>, router: Router, secret: String) {
    loop {
        post(&router, api::process::SWEEP_PATH, &secret, String::new()).await;
        let now = kept.clock.now();
        let needs_work = |job: &Job| !job.status.is_terminal() || job.effects.cleanup.is_due(now);
        let is_busy = kept.store.all_jobs().iter().any(needs_work);
        let wait = if is_busy { SWEEP } else { RARE_SWEEP };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = kept.requested.notified(), if !is_busy => tokio::time::sleep(SWEEP).await,
        }
    }
}
