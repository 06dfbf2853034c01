//! `POST /v2/sync/process`: runs one delivered task and answers the queue.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::{Code, Status, Timestamp};
use edge::{Json, Problem};
use flow::ports::{Clock, TaskBody};
use flow::process::{Outcome, Skip, Worker};
use serde_json::json;

use super::EndsAt;

/// The size of a task's body: a task consists of ids and a number.
const MAX_BODY_BYTES: usize = 4096;
/// The wait after which the queue asks a saturated instance again.
const BUSY_RETRY: Duration = Duration::from_secs(5);

pub async fn process(
    State(worker): State<Arc<Worker>>,
    State(clock): State<Arc<dyn Clock>>,
    ends_at: Option<Extension<EndsAt>>,
    body: Body,
) -> Result<Response, Problem> {
    let Ok(bytes) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return Ok(malformed("its body is too long"));
    };
    let task: TaskBody = match serde_json::from_slice(&bytes) {
        Ok(task) => task,
        // A redelivery would not help: the answer is 200, and the log has an error.
        Err(why) => return Ok(malformed(&why.to_string())),
    };
    let ran = match ends_at.and_then(|Extension(ends_at)| ends_at.time_for_work(clock.now())) {
        Some(time) => worker.run_within(&task, time).await,
        None => worker.run(&task).await,
    };
    let outcome =
        ran.map_err(|error| Problem::of_error(error, Code::StoreUnavailable, "The job store cannot be reached."))?;
    answer(outcome, clock.now())
}

fn malformed(why: &str) -> Response {
    tracing::error!(
        why,
        remedy = "if you did not send it yourself, replace tasks.secret, because somebody else may know it",
        "a malformed task was delivered; it is dropped"
    );
    Json(json!({"status": "skipped", "reason": "malformed_task"})).into_response()
}

fn answer(outcome: Outcome, now: Timestamp) -> Result<Response, Problem> {
    Ok(match outcome {
        Outcome::Done(status) => done(status),
        Outcome::Rescheduled { due_at } => Json(json!({"status": "rescheduled", "due_at": due_at})).into_response(),
        Outcome::Skipped(skip) => Json(json!({"status": "skipped", "reason": reason(skip)})).into_response(),
        Outcome::OwnerMismatch => {
            return Err(Problem::new(Code::OwnerMismatch, "The job does not belong to the user that the task names."));
        }
        Outcome::LeaseHeld { until } => {
            let detail = format!("Another worker holds the job until {until}.");
            return Err(Problem::new(Code::LeaseHeld, detail).after(now.until(until)));
        }
        Outcome::Busy => {
            return Err(Problem::new(Code::BackendBusy, "This instance has enough to do.").after(BUSY_RETRY));
        }
    })
}

fn done(status: Status) -> Response {
    Json(json!({"status": "done", "job_status": status})).into_response()
}

fn reason(skip: Skip) -> &'static str {
    match skip {
        Skip::JobNotFound => "job_not_found",
        Skip::AlreadyFinished => "already_finished",
        Skip::Cancelled => "cancelled",
    }
}
