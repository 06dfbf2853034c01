//! Every public route, in one list, and the document that describes them.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use edge::TaskSecret;
use flow::World;
use flow::ports::Identity;
use http::header::CONTENT_TYPE;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::{conversations, devices, jobs, upload, usage};

/// What the function needs.
pub struct Deps {
    pub world: World,
    pub identity: Arc<dyn Identity>,
    /// The queue shows it to the worker. Held here so that the function cannot be built without a fit one.
    pub secret: Arc<TaskSecret>,
}

pub fn routes(deps: Deps) -> Router {
    let Deps { world, identity, secret: _ } = deps;
    let document: Arc<str> = document().to_json().unwrap_or_default().into();
    let document = move || async move { ([(CONTENT_TYPE, "application/json")], document.to_string()) };
    edge::authenticated(Router::from(with_token()), identity).with_state(world).route("/openapi.json", get(document))
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
    document.merge(edge::health::document());
    document.merge(edge::metrics::document());
    edge::openapi::finish(document)
}

const DESCRIPTION: &str = "Recordings that were made without a network become transcripts, afterwards. Upload, then ask \
    what became of it. Errors are `application/problem+json`: judge by `code` and by the files named, never by the \
    status alone; `type` leads to the page of the code. Times are RFC 3339 in UTC.";
