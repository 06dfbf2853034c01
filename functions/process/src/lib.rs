//! The task target and the sweep: wiring and HTTP; the rules live in `domain` and `flow`.

mod routes;
mod sweep;
mod task;

pub use routes::{Deps, SWEEP_PATH, TASK_PATH, routes};
