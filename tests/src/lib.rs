//! What the suites stand on: the real program as a child process, a client, recordings, its log, its data folder.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

pub mod client;
pub mod contract;
pub mod figures;
pub mod folder;
pub mod log;
pub mod program;
pub mod recordings;
pub mod server;
pub mod setup;
pub mod wait;

pub use client::{Answer, Client};
pub use folder::Folder;
pub use program::afterword;
pub use recordings::Recording;
pub use server::Server;
pub use setup::Setup;
pub use wait::eventually;
