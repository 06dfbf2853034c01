//! `GET /v2/sync-local-files/{job_id}`: a job as shipped clients read it.

use std::sync::Arc;

use axum::extract::State;
use edge::{Caller, Json, Path, Problem};
use flow::ports::{Clock, JobStore};

use super::for_shipped_clients;
use super::view::ShippedJob;
use crate::jobs;

edge::problems!(StatusProblems: WITH_TOKEN; JobNotFound, NotYourJob);

/// What became of a job, as shipped clients read it
///
/// New clients use `/v2/sync/jobs/{job_id}`.
#[utoipa::path(
    get, path = "/v2/sync-local-files/{job_id}", operation_id = "shipped_status", tag = "shipped clients",
    params(("job_id" = String, Path, description = "As the upload's answer names it.")),
    responses((status = 200, description = "The job.", body = ShippedJob), StatusProblems)
)]
pub async fn status(
    State(store): State<Arc<dyn JobStore>>,
    State(clock): State<Arc<dyn Clock>>,
    Caller(uid): Caller,
    Path(job_id): Path<String>,
) -> Result<Json<ShippedJob>, Problem> {
    let job = jobs::owned(&*store, clock.now(), &uid, &job_id).await.map_err(for_shipped_clients)?;
    Ok(Json(ShippedJob::of(&job)))
}
