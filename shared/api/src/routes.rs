//! All public routes in one list, and the OpenAPI document that describes them.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get, post, put};
use edge::TaskSecret;
use flow::Services;
use flow::ports::{Identity, ReceivesUploads};
use http::header::CONTENT_TYPE;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::routes;

use crate::clock_guard::guarded;
use crate::compat::{CompatState, accept, status, wait};
use crate::events::StreamPermits;
use crate::route::{Route, described, route, router};
use crate::state::ApiState;
use crate::upload_bytes::Receiver;
use crate::view::session::Addresses;
use crate::{conversations, devices, events, jobs, limits, sessions, upload, upload_bytes, usage};

/// The dependencies of the upload function.
pub struct Deps {
    pub services: Services,
    pub identity: Arc<dyn Identity>,
    /// The secret that the queue sends to the worker. It is held here so that the function cannot be built without a
    /// valid one.
    pub secret: Arc<TaskSecret>,
    /// Cancelled when the process shuts down: answers that would go on for minutes end then.
    pub shutdown: CancellationToken,
    /// Receives the bytes of upload sessions, where they come through this process.
    pub receives: Option<Arc<dyn ReceivesUploads>>,
    /// The address at which clients reach this server, for links that cannot be relative.
    pub public_url: Option<String>,
}

pub fn routes(deps: Deps) -> Router {
    let Deps { services, identity, secret: _, shutdown, receives, public_url } = deps;
    let receiver = receives.map(|uploads| Receiver { store: Arc::clone(&services.store) as _, uploads });
    let guard = services.clone();
    let state = ApiState {
        addresses: if receiver.is_some() { Addresses::Here { public_url } } else { Addresses::Elsewhere },
        compat: CompatState::of(&services.settings, shutdown.clone()),
        stream_permits: StreamPermits::new(services.settings.streams.clone(), shutdown),
        services,
    };
    let routes = guarded(edge::authenticated(router(with_token()).with_state(state), identity), &guard)
        // This layer lies outside of the token check: a deprecated route says so to everybody.
        .route_layer(from_fn(wait::say_deprecated))
        .merge(router(of_document()));
    match receiver {
        Some(receiver) => routes.merge(guarded(router(of_parts()).with_state(receiver), &guard)),
        None => routes,
    }
}

/// Routes that require a token. Uploads run to completion even if the client hangs up after its last byte, so that nothing
/// is left between the stored blob and its job.
#[expect(deprecated, reason = "what is deprecated for clients is served all the same")]
fn with_token() -> Vec<Route<ApiState>> {
    let whole = |handlers| unlimited(handlers).layer(from_fn(edge::run_to_completion));
    vec![
        route("/v2/sync/upload", whole(post(upload::upload)), || routes!(upload::upload)),
        route("/v2/sync/jobs", get(jobs::list), || routes!(jobs::list)),
        route("/v2/sync/jobs/{job_id}", get(jobs::by_path).delete(jobs::cancel), || {
            routes!(jobs::by_path, jobs::cancel)
        }),
        route("/v2/sync/jobs/{job_id}/retry", post(jobs::retry), || routes!(jobs::retry)),
        route("/v2/sync/status", get(jobs::by_query), || routes!(jobs::by_query)),
        route("/v2/sync/events", get(events::events), || routes!(events::events)),
        route("/v2/devices/{device_id}", put(devices::register).delete(devices::forget), || {
            routes!(devices::register, devices::forget)
        }),
        route("/v2/conversations", get(conversations::list), || routes!(conversations::list)),
        route("/v2/conversations/{conversation_id}", get(conversations::one).delete(conversations::delete), || {
            routes!(conversations::one, conversations::delete)
        }),
        route("/v2/usage", get(usage::usage), || routes!(usage::usage)),
        route("/v2/limits", get(limits::limits), || routes!(limits::limits)),
        route("/v2/sync-local-files", whole(post(accept::accept)), || routes!(accept::accept)),
        route("/v2/sync-local-files/{job_id}", get(status::status), || routes!(status::status)),
        route("/v1/sync-local-files", unlimited(post(wait::accept_and_wait)), || routes!(wait::accept_and_wait)),
        route("/v2/sync/uploads", post(sessions::open), || routes!(sessions::open)),
        route("/v2/sync/uploads/{job_id}/complete", post(sessions::complete), || routes!(sessions::complete)),
    ]
}

/// The route that receives the bytes of upload sessions. Its address is the credential.
fn of_parts() -> Vec<Route<Receiver>> {
    vec![route("/v2/sync/uploads/parts/{upload}", unlimited(put(upload_bytes::put)), || routes!(upload_bytes::put))]
}

/// The document that describes all routes. It needs no token.
fn of_document() -> Vec<Route<()>> {
    vec![route("/openapi.json", get(serve_document), || routes!(serve_document))]
}

/// Without axum's limit of a body: an upload has limits and messages of its own.
fn unlimited<S: Clone + 'static>(handlers: MethodRouter<S>) -> MethodRouter<S> {
    handlers.layer(DefaultBodyLimit::disable())
}

edge::problems!(OpenProblems: ;);

/// This document
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "get_document", tag = "operations", security(()),
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json"), OpenProblems)
)]
async fn serve_document() -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_json().unwrap_or_default());
    ([(CONTENT_TYPE, "application/json")], TEXT.as_str())
}

/// The public API as an OpenAPI 3.1 document. `docs/openapi.json` is its checked-in copy.
pub fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Afterword")
        .version("2")
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let mut document = OpenApiBuilder::new().info(info).build();
    document.merge(described(with_token()));
    document.merge(described(of_parts()));
    document.merge(edge::health::document());
    document.merge(edge::metrics::document());
    document.merge(edge::error_pages::document());
    document.merge(described(of_document()));
    edge::openapi::finish(document)
}

const DESCRIPTION: &str = "Recordings that were made without a network become transcripts, afterwards. Upload, then ask \
    what became of it. Errors are `application/problem+json`: judge by `code` and by the files named, never by the \
    status alone; `type` leads to the page of the code. Times are RFC 3339 in UTC.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_served_as_it_is_described() {
        with_token().iter().for_each(Route::assert_is_served_as_described);
        of_parts().iter().for_each(Route::assert_is_served_as_described);
        of_document().iter().for_each(Route::assert_is_served_as_described);
    }
}
