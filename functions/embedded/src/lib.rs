//! The whole of Afterword in one process: both functions over the embedded adapters, on two listeners.

mod background;
mod sample;
mod server;
mod wiring;

pub use server::{Options, Server, Started};
