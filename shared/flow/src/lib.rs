//! The ports, and the use cases over them: accept, process, sweep, query, archive.

pub mod accept;
pub mod archive;
mod bytes_in;
pub mod census;
pub mod circuit;
pub mod control;
pub mod conversation;
pub mod counted;
pub mod dispatch;
pub mod document;
pub mod effects;
pub mod error;
mod first_pass;
pub mod follow;
pub mod instance;
pub mod persist;
pub mod ports;
pub mod process;
pub mod session;
pub mod settings;
pub mod staging;
pub mod sweep;
pub mod world;

pub use error::{Error, Kind, Result};
pub use settings::Settings;
pub use world::World;
