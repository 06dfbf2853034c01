//! Every task route, in one list.

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use edge::TaskSecret;
use flow::World;
use flow::process::Worker;

use crate::{sweep, task};

/// What the function needs. It cannot be built without a fit secret.
#[derive(Clone)]
pub struct Deps {
    pub world: World,
    pub worker: Arc<Worker>,
    pub secret: Arc<TaskSecret>,
}

/// Where the queue delivers.
pub const TASK_PATH: &str = "/v2/sync/process";
pub const SWEEP_PATH: &str = "/v2/sync/sweep";

pub fn routes(deps: Deps) -> Router {
    let secret = Arc::clone(&deps.secret);
    let routes = Router::new().route(TASK_PATH, post(task::process)).route(SWEEP_PATH, post(sweep::sweep));
    edge::for_tasks(routes, secret).with_state(deps)
}
