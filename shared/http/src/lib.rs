//! The edge: everything between a socket and a handler, the same for every function.
//!
//! A function builds its routes, guards them (`authenticated`, `for_tasks`), wraps the whole (`wrap`) and serves it
//! (`serve`). Handlers take `Caller`, `RequestContext`, `Json`, `Query`, `Path`, and fail with `Problem`.

pub mod auth;
pub mod extract;
pub mod health;
pub mod limits;
pub mod metrics;
pub mod openapi;
pub mod problem;
mod render;
pub mod request;
pub mod secret;
pub mod serve;
pub mod telemetry;
pub mod trace;

#[cfg(test)]
mod testing;

pub use auth::{Caller, authenticated};
pub use extract::{Json, Path, Query};
pub use health::Check;
pub use problem::{FileProblem, Problem};
pub use request::{RequestContext, wrap};
pub use secret::{TaskCaller, TaskSecret, for_tasks};
pub use serve::{ServeLimits, serve, shutdown_signal};
pub use trace::Traceparent;
