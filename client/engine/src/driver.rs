//! Performs what the coordinator decides. The driver is one future; it runs under any runtime.

mod api;
mod files;
mod finish;
mod multipart;
mod prepare;
mod push_tokens;
mod reconcile;
mod resumable;
mod run;
mod source;
mod upload;

pub use run::run;
