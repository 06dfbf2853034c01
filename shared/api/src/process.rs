//! The routes of the process function: the target of tasks, and the sweep.

mod about;
mod deps;
mod ends_at;
mod routes;
mod sweep;
mod task;

pub use deps::Deps;
pub use ends_at::EndsAt;
pub use routes::{SWEEP_PATH, TASK_PATH, degraded_engine_check, engine_check, routes, task_identity_check};
