//! The public API: uploads, jobs, devices, conversations, usage. Wiring and HTTP; the rules live in `domain` and `flow`.

mod content_range;
mod conversations;
mod cursor;
mod devices;
mod jobs;
mod multipart;
mod parts;
mod refused;
mod routes;
mod sessions;
mod upload;
mod usage;
mod view;

pub use routes::{Deps, document, routes};
