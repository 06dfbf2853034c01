//! Records on a device, and brings every recording to an Afterword backend, as durably as a database commits.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod add;
mod chunk;
mod completed;
mod coordinator;
mod core;
mod driver;
mod engine;
mod events;
mod housekeeping;
mod import;
mod index;
mod journal;
mod lock;
pub mod messages;
pub mod mistakes;
mod observers;
mod opening;
pub mod ports;
mod recorder;
mod rules;
mod server;
mod settings;
mod signal;
mod status;
pub mod std_ports;
#[cfg(test)]
mod testing;

pub use add::{AddError, AddOptions, Added};
pub use chunk::{Chunk, ChunkId, LastError, Place, State, Transfer};
pub use completed::{Completed, File};
pub use coordinator::Blocked;
pub use domain;
pub use engine::{Driver, Engine, Error};
pub use events::{Event, EventKind, PollOutcome};
pub use import::{ImportError, Imported};
pub use index::IndexError;
pub use observers::Observer;
pub use opening::OpenError;
pub use recorder::{RecordError, Recorder, Stream};
pub use rules::cooldown::{Cooldown, Reason};
pub use server::{Server, ServerError};
pub use settings::{Config, Retention, Settings};
pub use signal::Given;
pub use status::{CooldownStatus, Shown, Status};
