//! Changes of the caller's jobs, as server-sent events.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::{Code, Timestamp};
use edge::{Caller, Problem};
use flow::job_changes::Follower;
use flow::ports::{Clock, Feed, JobStore};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use utoipa::ToSchema;

mod stream;
mod stream_permits;

pub use stream_permits::StreamPermits;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells proxies not to buffer the answer.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

edge::problems!(EventProblems: WITH_TOKEN; InvalidParameter);

/// An event as clients read it. Only described here: a stream frames it by lines.
#[derive(ToSchema)]
#[expect(dead_code, reason = "its fields are read by the derive")]
struct JobEvent {
    /// Always `job`.
    event: String,
    /// The job's `updated_at`.
    #[schema(value_type = String, format = DateTime)]
    id: Timestamp,
    /// The job, as JSON.
    data: String,
}

/// The caller's jobs as they change
///
/// Server-sent events named `job`: `data` is the body of `GET /v2/sync/jobs/{job_id}`, `id` its `updated_at`. Who comes
/// with `Last-Event-ID` is told what changed since; who comes without, first every unfinished job (the newest 100) and
/// what changed in the last seconds. A change is told at least once: of two events of a job, the one with the later
/// `updated_at` holds. The stream ends at any time, at the latest after a few minutes: come back with the last id.
#[utoipa::path(
    get, path = "/v2/sync/events", operation_id = "job_events", tag = "jobs",
    params(("Last-Event-ID" = Option<String>, Header,
        description = "The `id` of the last event that was received, as it came.")),
    responses((status = 200, description = "Events, as they come.", content_type = "text/event-stream", body = JobEvent),
        EventProblems)
)]
pub async fn events(
    State(store): State<Arc<dyn JobStore>>,
    State(feed): State<Arc<dyn Feed>>,
    State(clock): State<Arc<dyn Clock>>,
    State(stream_permits): State<StreamPermits>,
    Caller(uid): Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let last = last_event_id(&headers)?;
    // The follower is registered before anything is read, so that no change is missed. The first read comes before the
    // answer, so that an unavailable store is reported by the status.
    let mut follower = Follower::new(store.clone(), &*feed, clock.clone(), &uid, last);
    let first = if last.is_none() { follower.unfinished().await? } else { VecDeque::new() };
    let permit = stream_permits.take(&uid);
    let events = stream::events(store, clock, &stream_permits, permit, follower, first);
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no")];
    Ok((headers, Body::from_stream(events)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Timestamp>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = "The header Last-Event-ID must be the id of an event: a time such as 2026-11-20T10:00:00.000Z.";
    id.map(Some).ok_or_else(|| Problem::new(Code::InvalidParameter, wrong))
}
