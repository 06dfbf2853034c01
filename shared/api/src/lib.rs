//! The HTTP routes of both functions: the public API of the upload function, and in [`process`] the task target and the
//! sweep of the process function. Handlers translate between HTTP and `flow`; the rules live in `domain` and `flow`.

mod clock_guard;
mod compat;
mod content_range;
mod conversations;
mod cursor;
mod devices;
mod events;
mod jobs;
mod limits;
mod multipart;
pub mod process;
mod refused;
mod route;
mod routes;
mod sessions;
mod state;
mod upload;
mod upload_bytes;
mod usage;
mod view;

pub use routes::{Deps, document, routes};
