//! The state of a batch: one job, or the caller's jobs.

use std::sync::Arc;

use axum::extract::State;
use domain::listing::cut;
use domain::{Code, Job, JobId, Status, Timestamp, Uid};
use edge::{Caller, Json, Path, Problem, Query, RequestContext};
use flow::Services;
use flow::cancel_retry::JobCommandResult;
use flow::ports::{Clock, JobCursor, JobQuery, JobStore, Page};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::cursor;
use crate::view::job::{JobList, JobView};
use crate::view::schema::JobStatus;

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

edge::problems!(StatusProblems: WITH_TOKEN; JobNotFound, NotYourJob);
edge::problems!(ByQueryProblems: WITH_TOKEN; InvalidParameter, JobNotFound, NotYourJob);
edge::problems!(CancelProblems: WITH_TOKEN; JobNotFound, NotYourJob, JobFinished);
edge::problems!(RetryProblems: WITH_TOKEN; JobNotFound, NotYourJob, NotRetryable);
edge::problems!(ListProblems: WITH_TOKEN; InvalidParameter, InvalidCursor);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ByQuery {
    #[param(required, value_type = String)]
    job_id: Option<String>,
}

/// What became of a job
///
/// A reader never changes it. Ask again after `poll_after_ms`.
#[utoipa::path(
    get, path = "/v2/sync/jobs/{job_id}", operation_id = "get_job", tag = "jobs",
    params(("job_id" = String, Path, description = "As the upload's answer names it.")),
    responses((status = 200, description = "The job.", body = JobView), StatusProblems)
)]
pub async fn by_path(
    State(store): State<Arc<dyn JobStore>>,
    State(clock): State<Arc<dyn Clock>>,
    Caller(uid): Caller,
    Path(job_id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    status(&*store, clock.now(), &uid, &job_id).await
}

/// The same, by query
#[utoipa::path(
    get, path = "/v2/sync/status", operation_id = "get_job_by_query", tag = "jobs", params(ByQuery),
    responses((status = 200, description = "The job.", body = JobView), ByQueryProblems)
)]
pub async fn by_query(
    State(store): State<Arc<dyn JobStore>>,
    State(clock): State<Arc<dyn Clock>>,
    Caller(uid): Caller,
    Query(query): Query<ByQuery>,
) -> Result<Json<JobView>, Problem> {
    let Some(job_id) = query.job_id else {
        return Err(Problem::new(Code::InvalidParameter, "The parameter job_id is missing."));
    };
    status(&*store, clock.now(), &uid, &job_id).await
}

async fn status(store: &dyn JobStore, now: Timestamp, uid: &Uid, job_id: &str) -> Result<Json<JobView>, Problem> {
    let job = owned(store, now, uid, job_id).await?;
    Ok(Json(view(store, &job).await?))
}

/// The view of a job that every route shows.
pub async fn view(store: &dyn JobStore, job: &Job) -> flow::Result<JobView> {
    let ahead = if job.status == Status::Queued { store.jobs_ahead(job).await? } else { 0 };
    Ok(JobView::of(job, ahead))
}

/// Cancel a job
///
/// A running worker stops at its next write; what is placed stays. Asking again is harmless.
#[utoipa::path(
    delete, path = "/v2/sync/jobs/{job_id}", operation_id = "cancel_job", tag = "jobs",
    params(("job_id" = String, Path, description = "As the upload's answer names it.")),
    responses((status = 202, description = "The job is cancelled.", body = JobView), CancelProblems)
)]
pub async fn cancel(
    State(services): State<Services>,
    Caller(uid): Caller,
    context: RequestContext,
    Path(job_id): Path<String>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let job = owned(&*services.store, services.now(), &uid, &job_id).await?;
    context.set_job(job.id);
    controlled(flow::cancel_retry::cancel(&services, job.id).await?, Code::JobFinished)
}

/// Run a job again for what is not done
///
/// Only a `failed` or `partial_failure` job whose audio is still there.
#[utoipa::path(
    post, path = "/v2/sync/jobs/{job_id}/retry", operation_id = "retry_job", tag = "jobs",
    params(("job_id" = String, Path, description = "As the upload's answer names it.")),
    responses((status = 202, description = "The job is queued again.", body = JobView), RetryProblems)
)]
pub async fn retry(
    State(services): State<Services>,
    Caller(uid): Caller,
    context: RequestContext,
    Path(job_id): Path<String>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let job = owned(&*services.store, services.now(), &uid, &job_id).await?;
    context.set_job(job.id);
    controlled(flow::cancel_retry::retry(&services, job.id).await?, Code::NotRetryable)
}

fn controlled(controlled: JobCommandResult, refused: Code) -> Result<(StatusCode, Json<JobView>), Problem> {
    match controlled {
        Some(Ok(job)) => Ok((StatusCode::ACCEPTED, Json(JobView::of(&job, 0)))),
        Some(Err(why)) => Err(Problem::new(refused, sentence(&why.to_string()))),
        None => Err(unknown_job()),
    }
}

/// Turns a refusal into a sentence.
fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

pub fn unknown_job() -> Problem {
    Problem::new(Code::JobNotFound, "There is no such job, or it has expired.")
}

/// The caller's own job with this id, if it exists and has not expired.
pub async fn owned(store: &dyn JobStore, now: Timestamp, uid: &Uid, job_id: &str) -> Result<Job, Problem> {
    // A text that is no id names no job.
    let id: JobId = job_id.parse().map_err(|_| unknown_job())?;
    let job = store.job(id).await?.ok_or_else(unknown_job)?;
    if job.uid != *uid {
        return Err(Problem::new(Code::NotYourJob, "The job belongs to another user."));
    }
    if job.expires_at.is_some_and(|at| now.has_reached(at)) {
        return Err(unknown_job());
    }
    Ok(job)
}

/// How the list is asked for. Only described here: a repeated parameter is read from the pairs.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "its fields are read by the derive")]
struct Listing {
    /// Only jobs of this status; may repeat.
    status: Option<Vec<JobStatus>>,
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The caller's jobs, newest first
///
/// Jobs stay for 7 days after their end.
#[utoipa::path(
    get, path = "/v2/sync/jobs", operation_id = "list_jobs", tag = "jobs", params(Listing),
    responses((status = 200, description = "A page of jobs.", body = JobList), ListProblems)
)]
pub async fn list(
    State(store): State<Arc<dyn JobStore>>,
    State(clock): State<Arc<dyn Clock>>,
    Caller(uid): Caller,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<JobList>, Problem> {
    let (mut statuses, mut limit, mut after) = (Vec::new(), DEFAULT_LIMIT, None);
    for (key, value) in &query {
        match key.as_str() {
            "status" => statuses.push(parse_status(value)?),
            "limit" => limit = parse_limit(value, MAX_LIMIT)?,
            "cursor" => after = Some(cursor::job(value)?),
            _ => {}
        }
    }
    statuses.sort_unstable_by_key(|status| status.as_str());
    statuses.dedup();
    let page = Page { after, limit: limit + 1 };
    let mut jobs = store.jobs(&JobQuery { uid, statuses, now: clock.now(), page }).await?;
    let more = cut(&mut jobs, limit);
    let next = jobs.last().filter(|_| more).map(|job| cursor::of_job(JobCursor::of(job)));
    let mut bodies = Vec::with_capacity(jobs.len());
    for job in &jobs {
        bodies.push(view(&*store, job).await?);
    }
    Ok(Json(JobList { jobs: bodies, next_cursor: next }))
}

fn parse_status(text: &str) -> Result<Status, Problem> {
    Status::parse(text).ok_or_else(|| {
        let known: Vec<_> = Status::ALL.iter().map(|status| status.as_str()).collect();
        Problem::new(Code::InvalidParameter, format!("The parameter status must be one of {}.", known.join(", ")))
    })
}

pub fn parse_limit(text: &str, max: usize) -> Result<usize, Problem> {
    let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
    limit.ok_or_else(|| {
        Problem::new(Code::InvalidParameter, format!("The parameter limit must lie between 1 and {max}."))
    })
}
