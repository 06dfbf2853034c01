//! Performs what the coordinator decides. The driver is one future; it runs under any runtime.

mod api;
mod finish;
mod multipart;
mod prepare;
mod push_tokens;
mod reconcile;
mod resumable;
mod run;
mod files;
mod source;
mod upload;

pub use files::digest;
pub use run::run;
