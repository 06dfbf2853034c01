//! The public API: uploads, jobs, devices, conversations, usage, limits. Wiring and HTTP; the rules live in `domain` and `flow`.

mod compat;
mod content_range;
mod conversations;
mod cursor;
mod devices;
mod events;
mod jobs;
mod limits;
mod listed;
mod multipart;
mod parts;
mod refused;
mod routes;
mod sessions;
mod upload;
mod usage;
mod view;

pub use routes::{Deps, document, routes};
