//! `POST /v2/sync-local-files`: like an upload, but a small batch is searched for speech before it is answered.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use domain::Uid;
use edge::{Caller, Json, Problem, Query, RequestContext};
use flow::Services;
use flow::accept::Accepted;
use http::StatusCode;

use super::view::{Memories, ShippedAccepted};
use super::{CompatState, for_shipped_clients};
use crate::refused::problem;
use crate::upload::{Params, RecordingsForm, receive_batch};

edge::problems!(
    AcceptProblems: WITH_TOKEN, WITH_RECORDINGS;;
    RecordingTooOld as "backfill_lookback_exceeded"
);

/// Upload a batch of recordings, as shipped clients do
///
/// New clients use `/v2/sync/upload`.
#[utoipa::path(
    post, path = "/v2/sync-local-files", operation_id = "shipped_upload", tag = "shipped clients", params(Params),
    request_body(content = RecordingsForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "No recording has speech: there is nothing to wait for.", body = Memories),
        (status = 202, description = "Accepted: every recording is stored, and will be transcribed.", body = ShippedAccepted),
        AcceptProblems
    )
)]
pub async fn accept(
    State(services): State<Services>,
    State(compat): State<CompatState>,
    Caller(uid): Caller,
    context: RequestContext,
    Query(params): Query<Params>,
    request: Request,
) -> Result<Response, Problem> {
    let accepted = accepted(&services, &compat, uid, &context, &params, request).await?;
    Ok(if accepted.is_silent() {
        Json(Memories::default()).into_response()
    } else {
        (StatusCode::ACCEPTED, Json(ShippedAccepted::of(&accepted.job))).into_response()
    })
}

/// Accepts the batch as a new job, or finds the job that already has its recordings.
pub async fn accepted(
    services: &Services,
    compat: &CompatState,
    uid: Uid,
    context: &RequestContext,
    params: &Params,
    request: Request,
) -> Result<Accepted, Problem> {
    let mut intake = receive_batch(services, uid, params, request).await.map_err(for_shipped_clients)?;
    intake.search(&compat.search).await;
    let accepted = intake.commit(Some(context.traceparent.to_string())).await;
    let accepted = accepted.map_err(|refused| for_shipped_clients(problem(refused)))?;
    context.set_job(accepted.job.id);
    Ok(accepted)
}
