//! Every public route, in one list.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post, put};
use edge::TaskSecret;
use flow::World;
use flow::ports::Identity;

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
    let routes = Router::new()
        // The limits of an upload are our own, and told in our own words.
        .route("/v2/sync/upload", post(upload::upload).layer(DefaultBodyLimit::disable()))
        .route("/v2/sync/jobs", get(jobs::list))
        .route("/v2/sync/jobs/{job_id}", get(jobs::by_path).delete(jobs::cancel))
        .route("/v2/sync/jobs/{job_id}/retry", post(jobs::retry))
        .route("/v2/sync/status", get(jobs::by_query))
        .route("/v2/devices/{device_id}", put(devices::register).delete(devices::forget))
        .route("/v2/conversations", get(conversations::list))
        .route("/v2/conversations/{conversation_id}", get(conversations::one))
        .route("/v2/usage", get(usage::usage));
    edge::authenticated(routes, identity).with_state(world)
}
