//! The routes of the process function: the target of tasks, and the sweep.

mod about;
mod deps;
mod routes;
mod sweep;
mod task;

pub use deps::Deps;
pub use routes::{SWEEP_PATH, TASK_PATH, degraded_engine_check, engine_check, routes, task_identity_check};
