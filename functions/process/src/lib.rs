//! The task target and the sweep: wiring and HTTP; the rules live in `domain` and `flow`.

mod deps;
mod routes;
mod sweep;
mod task;

pub use deps::Deps;
pub use routes::{SWEEP_PATH, TASK_PATH, engine_check, routes};
