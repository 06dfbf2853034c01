//! All task routes, in one list.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use edge::Check;
use flow::Services;
use flow::ports::{Clock, TaskIdentity};
use flow::process::Worker;

use super::{Deps, about, sweep, task};
use crate::clock_guard::guarded;
use crate::state::parts;

/// The path to which the queue delivers tasks.
pub const TASK_PATH: &str = "/v2/sync/process";
pub const SWEEP_PATH: &str = "/v2/sync/sweep";

parts! {
    Deps;
    Services: services;
    Arc<Worker>: worker;
    Arc<dyn Clock>: services.clock;
    Option<Arc<dyn TaskIdentity>>: identity;
}

pub fn routes(deps: Deps) -> Router {
    let (secret, identity) = (Arc::clone(&deps.secret), deps.identity.clone());
    let routes = Router::new().route(TASK_PATH, post(task::process)).route(SWEEP_PATH, post(sweep::sweep));
    // An operator knows the secret, but cannot sign tokens.
    let open = edge::for_tasks(Router::new().route(TASK_PATH, get(about::about)), Arc::clone(&secret), None);
    guarded(edge::for_tasks(routes, secret, identity), &deps.services).merge(open).with_state(deps)
}

/// The readiness check of what tasks need besides the ports: the keys that their tokens are verified with.
pub fn task_identity_check(identity: &Arc<dyn TaskIdentity>) -> Check {
    let identity = Arc::clone(identity);
    let detail = "The keys that tokens of tasks and of the scheduler are verified with cannot be fetched; each of their \
                  calls is answered 503.";
    Check::new("task_identity", detail, move || {
        let identity = Arc::clone(&identity);
        async move { identity.ready().await }
    })
}

/// The readiness check of a function that only processes: without the speech engine it cannot work.
pub fn engine_check(worker: &Arc<Worker>) -> Check {
    let worker = Arc::clone(worker);
    Check::new("engine", "The speech engine is not ready.", move || {
        let worker = Arc::clone(&worker);
        async move {
            worker.may_call_engine()?;
            worker.ready().await
        }
    })
}

/// The readiness check of a server that also takes uploads: it takes them while the engine does not answer.
pub fn degraded_engine_check(worker: &Arc<Worker>) -> Check {
    let (started, answers) = (Arc::clone(worker), Arc::clone(worker));
    Check::new("engine", "The speech engine is not ready.", move || {
        let worker = Arc::clone(&started);
        async move { worker.ready().await }
    })
    .degraded_unless(
        "The speech engine does not answer; uploads are accepted, and their jobs wait for it.",
        move || {
            let worker = Arc::clone(&answers);
            async move { worker.engine_answers() }
        },
    )
}
