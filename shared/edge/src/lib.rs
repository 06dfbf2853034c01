//! The HTTP edge, shared by every function: everything between a socket and a handler.
//!
//! A function builds its routes, adds authentication (`authenticated`, `for_tasks`), wraps the finished router (`wrap`)
//! and serves it (`serve`). Handlers take `Caller`, `RequestContext`, `Json`, `Query` and `Path`, and fail with
//! `Problem`.

pub mod auth;
pub mod cors;
pub mod error_pages;
pub mod extract;
pub mod health;
pub mod limits;
mod log_users;
pub mod metrics;
pub mod openapi;
pub mod problem;
mod process_metrics;
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
pub use log_users::LogUsers;
pub use problem::{FileProblem, Problem};
pub use request::{Requests, run_to_completion, spawn_to_completion, wrap, wrap_with};
pub use request_context::RequestContext;
pub use request_limits::RequestLimits;
pub use secret::{TaskCaller, TaskSecret, for_tasks};
pub use serve::{Listener, ServeLimits, reload_signal, serve, shutdown_signal};
pub use tls::Tls;
pub use trace::Traceparent;
