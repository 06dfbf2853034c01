//! The edge: everything between a socket and a handler, the same for every function.
//!
//! A function builds its routes, guards them (`authenticated`, `for_tasks`), wraps the whole (`wrap`) and serves it
//! (`serve`). Handlers take `Caller`, `RequestContext`, `Json`, `Query`, `Path`, and fail with `Problem`.

pub mod auth;
pub mod cors;
pub mod error_pages;
pub mod extract;
pub mod health;
pub mod limits;
pub mod metrics;
pub mod openapi;
pub mod problem;
mod render;
pub mod request;
mod request_context;
mod request_limits;
pub mod secret;
pub mod serve;
pub mod telemetry;
pub mod tls;
pub mod trace;

#[cfg(test)]
mod testing;

pub use auth::{Caller, authenticated};
pub use cors::Cors;
pub use extract::{Json, Path, Query};
pub use health::Check;
pub use problem::{FileProblem, Problem};
pub use request::{Requests, on_its_own, to_its_end, wrap, wrap_with};
pub use request_context::RequestContext;
pub use request_limits::RequestLimits;
pub use secret::{TaskCaller, TaskSecret, for_tasks};
pub use serve::{Listener, ServeLimits, serve, shutdown_signal};
pub use tls::Tls;
pub use trace::Traceparent;
