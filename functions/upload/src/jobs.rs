//! What became of a batch: one job, or the caller's jobs.

use axum::extract::State;
use domain::{Code, Job, JobId, Status, Uid};
use edge::{Caller, Json, Path, Problem, Query};
use flow::World;
use flow::control::Controlled;
use flow::ports::JobCursor;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{cursor, view};

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

#[derive(Deserialize)]
pub struct ByQuery {
    job_id: Option<String>,
}

pub async fn by_path(
    State(world): State<World>,
    Caller(uid): Caller,
    Path(job_id): Path<String>,
) -> Result<Json<Value>, Problem> {
    status(&world, &uid, &job_id).await
}

pub async fn by_query(
    State(world): State<World>,
    Caller(uid): Caller,
    Query(query): Query<ByQuery>,
) -> Result<Json<Value>, Problem> {
    let Some(job_id) = query.job_id else {
        return Err(Problem::new(Code::InvalidParameter, "The parameter job_id is missing."));
    };
    status(&world, &uid, &job_id).await
}

async fn status(world: &World, uid: &Uid, job_id: &str) -> Result<Json<Value>, Problem> {
    let job = owned(world, uid, job_id).await?;
    let ahead = if job.status == Status::Queued { world.store.jobs_ahead(&job).await? } else { 0 };
    Ok(Json(view::job::job(&job, ahead)))
}

pub async fn cancel(
    State(world): State<World>,
    Caller(uid): Caller,
    Path(job_id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let job = owned(&world, &uid, &job_id).await?;
    controlled(flow::control::cancel(&world, job.id).await?, Code::JobFinished)
}

pub async fn retry(
    State(world): State<World>,
    Caller(uid): Caller,
    Path(job_id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let job = owned(&world, &uid, &job_id).await?;
    controlled(flow::control::retry(&world, job.id).await?, Code::NotRetryable)
}

fn controlled(controlled: Controlled, refused: Code) -> Result<(StatusCode, Json<Value>), Problem> {
    match controlled {
        Some(Ok(job)) => Ok((StatusCode::ACCEPTED, Json(view::job::job(&job, 0)))),
        Some(Err(why)) => Err(Problem::new(refused, sentence(&why.to_string()))),
        None => Err(unknown_job()),
    }
}

/// A refusal as a sentence of its own.
fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn unknown_job() -> Problem {
    Problem::new(Code::JobNotFound, "There is no such job, or it has expired.")
}

/// The caller's own job, if there is one of that id that has not expired.
async fn owned(world: &World, uid: &Uid, job_id: &str) -> Result<Job, Problem> {
    // What is no id names no job.
    let id: JobId = job_id.parse().map_err(|_| unknown_job())?;
    let job = world.store.job(id).await?.ok_or_else(unknown_job)?;
    if job.uid != *uid {
        return Err(Problem::new(Code::NotYourJob, "The job belongs to another user."));
    }
    if job.expires_at.is_some_and(|at| world.now().has_reached(at)) {
        return Err(unknown_job());
    }
    Ok(job)
}

pub async fn list(
    State(world): State<World>,
    Caller(uid): Caller,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Problem> {
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
    let mut jobs = world.store.jobs(&uid, &statuses, after, limit + 1, world.now()).await?;
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let last = jobs.last().filter(|_| more);
    let next = last.map(|job| cursor::of_job(JobCursor { created_at: job.created_at, id: job.id }));
    let mut bodies = Vec::with_capacity(jobs.len());
    for job in &jobs {
        let ahead = if job.status == Status::Queued { world.store.jobs_ahead(job).await? } else { 0 };
        bodies.push(view::job::job(job, ahead));
    }
    Ok(Json(json!({"jobs": bodies, "next_cursor": next})))
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
