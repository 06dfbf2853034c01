//! The use cases of Afterword (accept, process, sweep, query, archive) and the ports that they need.
//!
//! A use case reads and writes through a port and lets the rules of `domain` decide. Adapters implement the ports.

pub mod accept;
pub mod alarm;
pub mod archive;
mod blob_reader;
pub mod cancel_retry;
pub mod circuit;
pub mod clock_guard;
pub mod conversation;
pub mod dispatch;
pub mod document;
pub mod effects;
pub mod error;
mod first_pass;
pub mod instance;
pub mod job_changes;
mod job_end;
pub mod job_stats;
pub mod metrics;
pub mod patience;
pub mod ports;
pub mod process;
pub mod retry;
pub mod services;
pub mod session;
pub mod settings;
pub mod staging;
pub mod sweep;

pub use error::{Error, Kind, Result};
pub use services::Services;
pub use settings::Settings;
