//! Support for the test suites: the real program as a child process, a client, recordings, its log, its data folder.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

pub mod balancer;
pub mod client;
pub mod cloud;
pub mod contract;
pub mod disk;
pub mod earlier;
pub mod events;
pub mod figures;
pub mod folder;
pub mod function;
pub mod lambda;
pub mod lambda_runtime;
pub mod log;
pub mod older_client;
pub mod program;
pub mod prometheus;
pub mod proxy;
pub mod pty;
pub mod recordings;
pub mod resumable;
pub mod server;
pub mod setup;
pub mod slow_disk;
pub mod snapshots;
pub mod sounds;
pub mod wait;
pub mod wire;

pub use client::{Answer, Client};
pub use folder::Folder;
pub use older_client::OlderClient;
pub use program::afterword;
pub use proxy::Proxy;
pub use recordings::Recording;
pub use resumable::Resumable;
pub use server::Server;
pub use setup::Setup;
pub use wait::eventually;
pub use wire::{Reply, Wire};
