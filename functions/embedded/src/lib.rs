//! All of Afterword in one process: both functions with the embedded adapters, on two listeners.

mod background;
mod disk;
mod listener;
mod sample;
mod server;
mod simulate;
mod sizes;
mod wiring;

pub use disk::name_disk;
pub use listener::CertificateInfo;
pub use server::{Options, Server, Started};
