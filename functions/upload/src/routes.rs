//! Every public route, in one list, and the document that describes them.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use edge::TaskSecret;
use flow::World;
use flow::ports::{Identity, ReceivesUploads};
use http::header::CONTENT_TYPE;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::parts::Receiver;
use crate::sessions::Sessions;
use crate::view::session::Addresses;
use crate::{conversations, devices, jobs, parts, sessions, upload, usage};

/// What the function needs.
pub struct Deps {
    pub world: World,
    pub identity: Arc<dyn Identity>,
    /// The queue shows it to the worker. Held here so that the function cannot be built without a fit one.
    pub secret: Arc<TaskSecret>,
    /// Takes the bytes of upload sessions, where they come through this process.
    pub receives: Option<Arc<dyn ReceivesUploads>>,
    /// The address that clients reach this server by, for what cannot be relative.
    pub public_url: Option<String>,
}

pub fn routes(deps: Deps) -> Router {
    let Deps { world, identity, secret: _, receives, public_url } = deps;
    let document: Arc<str> = document().to_json().unwrap_or_default().into();
    let document = move || async move { ([(CONTENT_TYPE, "application/json")], document.to_string()) };
    let addresses = if receives.is_some() { Addresses::Here { public_url } } else { Addresses::Elsewhere };
    let sessions = Router::from(of_sessions()).with_state(Sessions { world: world.clone(), addresses });
    let with_token = Router::from(with_token()).with_state(world.clone()).merge(sessions);
    let routes = edge::authenticated(with_token, identity).route("/openapi.json", get(document));
    match receives {
        Some(uploads) => routes.merge(Router::from(of_parts()).with_state(Receiver { world, uploads })),
        None => routes,
    }
}

/// Upload sessions, which ask for a token.
fn of_sessions() -> OpenApiRouter<Sessions> {
    OpenApiRouter::new().routes(routes!(sessions::open)).routes(routes!(sessions::complete))
}

/// Their bytes, whose address is the credential.
fn of_parts() -> OpenApiRouter<Receiver> {
    OpenApiRouter::new().routes(routes!(parts::put).layer(DefaultBodyLimit::disable()))
}

/// Routes that ask for a token.
fn with_token() -> OpenApiRouter<World> {
    OpenApiRouter::new()
        // The limits of an upload are our own, and told in our own words.
        .routes(routes!(upload::upload).layer(DefaultBodyLimit::disable()))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::by_path, jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::by_query))
        .routes(routes!(devices::register, devices::forget))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::one))
        .routes(routes!(usage::usage))
}

/// The public API as OpenAPI 3.1. `docs/openapi.json` is this, checked in.
pub fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Afterword")
        .version("2")
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let mut document = OpenApiBuilder::new().info(info).build();
    document.merge(with_token().into_openapi());
    document.merge(of_sessions().into_openapi());
    document.merge(of_parts().into_openapi());
    document.merge(edge::health::document());
    document.merge(edge::metrics::document());
    edge::openapi::finish(document)
}

const DESCRIPTION: &str = "Recordings that were made without a network become transcripts, afterwards. Upload, then ask \
    what became of it. Errors are `application/problem+json`: judge by `code` and by the files named, never by the \
    status alone; `type` leads to the page of the code. Times are RFC 3339 in UTC.";
