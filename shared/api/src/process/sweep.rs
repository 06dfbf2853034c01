//! `POST /v2/sync/sweep`: one run of the sweep, called on a schedule.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use domain::Code;
use edge::{Json, Problem};
use flow::Services;
use flow::sweep::{DEFAULT_LIMIT, Swept};
use serde::Deserialize;
use serde_json::{Value, json};

use super::EndsAt;

const MAX_BODY_BYTES: usize = 4096;
const MAX_LIMIT: usize = 100_000;

#[derive(Deserialize)]
struct Request {
    limit: Option<usize>,
}

pub async fn sweep(
    State(services): State<Services>,
    ends_at: Option<Extension<EndsAt>>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let limit = limit(body).await?;
    let time = ends_at.and_then(|Extension(ends_at)| ends_at.time_for_work(services.now()));
    let swept = match time {
        Some(time) => flow::sweep::sweep_within(&services, limit, time).await?,
        None => flow::sweep::sweep(&services, limit).await?,
    };
    let Swept { enqueued, recovered, finished_effects, expired, blobs_deleted, forgotten, corrected } = swept;
    Ok(Json(json!({
        "enqueued": enqueued,
        "recovered": recovered,
        "finished_effects": finished_effects,
        "expired": expired,
        "blobs_deleted": blobs_deleted,
        "forgotten": forgotten,
        "corrected": corrected,
    })))
}

async fn limit(body: Body) -> Result<usize, Problem> {
    let bytes = axum::body::to_bytes(body, MAX_BODY_BYTES)
        .await
        .map_err(|_| Problem::new(Code::RequestTooLarge, format!("The body may have {MAX_BODY_BYTES} bytes.")))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(DEFAULT_LIMIT);
    }
    let request: Request =
        serde_json::from_slice(&bytes).map_err(|why| Problem::new(Code::InvalidJson, format!("The body: {why}.")))?;
    match request.limit {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(_) => Err(Problem::new(Code::InvalidParameter, format!("limit must lie between 1 and {MAX_LIMIT}."))),
    }
}
