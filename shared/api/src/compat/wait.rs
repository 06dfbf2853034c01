//! `POST /v1/sync-local-files`: the oldest clients wait for the end of the job. The job never waits for them.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::{Code, Job, Status};
use edge::{Caller, Json, Problem, Query, RequestContext};
use flow::Services;
use http::header::LINK;
use http::{HeaderName, HeaderValue, StatusCode};

use super::accept::accepted;
use super::view::{Memories, PartMemories, ShippedOutcome};
use super::{CompatState, for_shipped_clients};
use crate::upload::{Params, RecordingsForm};

const PATH: &str = "/v1/sync-local-files";
const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUCCESSOR: HeaderValue = HeaderValue::from_static("</v2/sync-local-files>; rel=\"successor-version\"");

/// The pause between two reads of the job: the first one, which doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

edge::problems!(
    WaitProblems: WITH_TOKEN, WITH_RECORDINGS; JobFailed, StillProcessing;
    RecordingTooOld as "backfill_lookback_exceeded"
);

/// Upload a batch and wait for its end
///
/// Deprecated: `/v2/sync-local-files` does not keep anybody waiting. A job of which nothing came is 500, with its
/// `reason_code`; one that takes longer goes on, and is named by the `job_id` of the 504.
#[utoipa::path(
    post, path = "/v1/sync-local-files", operation_id = "shipped_upload_and_wait", tag = "shipped clients",
    params(Params), request_body(content = RecordingsForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "Everything is transcribed, or silent.", body = Memories),
        (status = 207, description = "A part of it failed.", body = PartMemories),
        WaitProblems
    )
)]
#[deprecated]
pub async fn accept_and_wait(
    State(services): State<Services>,
    State(compat): State<CompatState>,
    Caller(uid): Caller,
    context: RequestContext,
    Query(params): Query<Params>,
    request: Request,
) -> Result<Response, Problem> {
    // Accepting runs to completion even if the client hangs up, so that nothing is left between blob and job. Only the
    // waiting ends with the client.
    let accepted = {
        let (services, compat) = (services.clone(), compat.clone());
        async move { accepted(&services, &compat, uid, &context, &params, request).await }
    };
    let accepted = edge::spawn_to_completion(accepted).await??;
    let job = wait_for_end(&services, &compat, accepted.job).await.map_err(for_shipped_clients)?;
    let memories = Memories::of(&job);
    match job.status {
        Status::Completed => Ok(Json(memories).into_response()),
        Status::PartialFailure => Ok((StatusCode::MULTI_STATUS, Json(PartMemories::of(&job))).into_response()),
        _ => Err(job_failed(&job)),
    }
}

/// Waits for the end of the job. If this is dropped because the client hung up, only the waiting ends.
async fn wait_for_end(services: &Services, compat: &CompatState, job: Job) -> Result<Job, Problem> {
    if job.status.is_terminal() {
        return Ok(job);
    }
    let id = job.id;
    // Without a free permit the client is told at once that the job takes longer: it has been accepted.
    let Ok(_permit) = compat.waits.try_acquire() else { return Err(still_processing(&job)) };
    let ended = tokio::select! {
        ended = watch(services, id) => ended,
        () = services.clock.sleep(services.settings.upload.synchronous_wait) => Err(still_processing(&job)),
        () = compat.shutdown.cancelled() => Err(still_processing(&job)),
    };
    ended
}

async fn watch(services: &Services, id: domain::JobId) -> Result<Job, Problem> {
    let mut pause = FIRST_PAUSE;
    loop {
        services.clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match services.store.job(id).await {
            Ok(Some(job)) if job.status.is_terminal() => return Ok(job),
            Ok(Some(_)) => {}
            Ok(None) => return Err(Problem::new(Code::JobNotFound, "")),
            // The job has been accepted, so reading it again is all that can be done.
            Err(error) => tracing::debug!(job_id = %id, %error, "a job could not be read while a request waits for it"),
        }
    }
}

fn still_processing(job: &Job) -> Problem {
    let detail = "The recordings are stored and will be transcribed; it takes longer than this request may wait.";
    Problem::new(Code::StillProcessing, detail).member("job_id", job.id.to_string())
}

/// Answers 500 whatever the failure was: these clients try again later. The reason is given as in the answer to a poll.
fn job_failed(job: &Job) -> Problem {
    let outcome = ShippedOutcome::of(job);
    let problem = Problem::new(Code::JobFailed, outcome.error.unwrap_or_default()).member("job_id", job.id.to_string());
    outcome.reason_code.map_or(problem.clone(), |reason| problem.member("reason_code", reason))
}

/// Marks every answer of the route as deprecated, errors and refused tokens included.
pub async fn say_deprecated(request: Request, next: Next) -> Response {
    let deprecated = request.uri().path() == PATH;
    let mut answer = next.run(request).await;
    if deprecated {
        answer.headers_mut().insert(DEPRECATION, HeaderValue::from_static("true"));
        answer.headers_mut().insert(LINK, SUCCESSOR);
    }
    answer
}
