//! The public API: uploads, jobs, devices, conversations, usage, limits. Wiring and HTTP; the rules live in `domain` and `flow`.

mod compat;
mod conversations;
mod cursor;
mod devices;
mod events;
mod jobs;
mod limits;
mod multipart;
mod refused;
mod routes;
mod upload;
mod usage;
mod view;

pub use routes::{Deps, document, routes};
