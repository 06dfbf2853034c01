//! All public routes in one list, and the OpenAPI document that describes them.

use std::sync::{Arc, LazyLock};

use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use edge::TaskSecret;
use flow::Services;
use flow::ports::{Clock, DeviceStore, Identity, LibraryStore, ReceivesUploads};
use http::header::CONTENT_TYPE;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

use crate::compat::CompatState;
use crate::events::StreamPermits;
use crate::listed::listed;
use crate::parts::Receiver;
use crate::sessions::Sessions;
use crate::view::session::Addresses;
use crate::{compat, conversations, devices, events, jobs, limits, parts, sessions, upload, usage};

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

/// The state of the handlers; each takes the part that it needs.
#[derive(Clone)]
struct Api {
    services: Services,
    stream_permits: StreamPermits,
}

/// What a user reads and deletes.
impl FromRef<Api> for Arc<dyn LibraryStore> {
    fn from_ref(api: &Api) -> Self {
        Arc::clone(&api.services.store) as Self
    }
}

impl FromRef<Api> for Arc<dyn DeviceStore> {
    fn from_ref(api: &Api) -> Self {
        Arc::clone(&api.services.store) as Self
    }
}

impl FromRef<Api> for Arc<dyn Clock> {
    fn from_ref(api: &Api) -> Self {
        Arc::clone(&api.services.clock)
    }
}

impl FromRef<Api> for Services {
    fn from_ref(api: &Api) -> Self {
        api.services.clone()
    }
}

impl FromRef<Api> for StreamPermits {
    fn from_ref(api: &Api) -> Self {
        api.stream_permits.clone()
    }
}

pub fn routes(deps: Deps) -> Router {
    let Deps { services, identity, secret: _, shutdown, receives, public_url } = deps;
    let addresses = if receives.is_some() { Addresses::Here { public_url } } else { Addresses::Elsewhere };
    let sessions = of_sessions().with_state(Sessions { services: services.clone(), addresses });
    let compat = Extension(CompatState::of(&services.settings, shutdown.clone()));
    let stream_permits = StreamPermits::new(services.settings.streams.clone(), shutdown);
    let with_token = with_token().layer(compat).with_state(Api { services: services.clone(), stream_permits });
    let routes = edge::authenticated(with_token.merge(sessions), identity)
        // This layer lies outside of the token check: a deprecated route says so to everybody.
        .route_layer(from_fn(compat::wait::say_deprecated))
        .route(DOCUMENT, get(serve_document));
    match receives {
        Some(uploads) => routes.merge(of_parts().with_state(Receiver { services, uploads })),
        None => routes,
    }
}

listed! {
    /// Routes of upload sessions, which require a token.
    of_sessions, described_sessions: Sessions;
    { open of sessions }
    { complete of sessions }
}

listed! {
    /// The route that receives the bytes of upload sessions. Its address is the credential.
    of_parts, described_parts: Receiver;
    { put of parts } [DefaultBodyLimit::disable()]
}

listed! {
    /// Routes that require a token. axum's body limits are disabled where an upload has limits and messages of its own.
    /// Uploads run to completion even if the client hangs up after its last byte, so that nothing is left between the
    /// stored blob and its job.
    #[expect(deprecated, reason = "what is deprecated for clients is served all the same")]
    with_token, described_with_token: Api;
    { upload of upload } [DefaultBodyLimit::disable(), from_fn(edge::run_to_completion)]
    { list of jobs }
    { by_path of jobs, cancel of jobs }
    { retry of jobs }
    { by_query of jobs }
    { events of events }
    { register of devices, forget of devices }
    { list of conversations }
    { one of conversations, delete of conversations }
    { usage of usage }
    { limits of limits }
    { accept of compat::accept } [DefaultBodyLimit::disable(), from_fn(edge::run_to_completion)]
    { status of compat::status }
    { accept_and_wait of compat::wait } [DefaultBodyLimit::disable()]
}

const DOCUMENT: &str = "/openapi.json";

edge::problems!(OpenProblems: ;);

/// This document
#[utoipa::path(
    get, path = DOCUMENT, operation_id = "get_document", tag = "operations", security(()),
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json"), OpenProblems)
)]
async fn serve_document() -> impl IntoResponse {
    // The document is made at the first request: that takes longer than the rest of the start.
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_json().unwrap_or_default());
    ([(CONTENT_TYPE, "application/json")], TEXT.as_str())
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(serve_document))]
struct Document;

/// The public API as an OpenAPI 3.1 document. `docs/openapi.json` is its checked-in copy.
pub fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Afterword")
        .version("2")
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let mut document = OpenApiBuilder::new().info(info).build();
    document.merge(described_with_token());
    document.merge(described_sessions());
    document.merge(described_parts());
    document.merge(edge::health::document());
    document.merge(edge::metrics::document());
    document.merge(edge::error_pages::document());
    document.merge(<Document as utoipa::OpenApi>::openapi());
    edge::openapi::finish(document)
}

const DESCRIPTION: &str = "Recordings that were made without a network become transcripts, afterwards. Upload, then ask \
    what became of it. Errors are `application/problem+json`: judge by `code` and by the files named, never by the \
    status alone; `type` leads to the page of the code. Times are RFC 3339 in UTC.";
