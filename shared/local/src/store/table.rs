//! One file for each table: its rows, its columns and its queries.

pub mod beside;
pub mod checkpoints;
pub mod conversations;
pub mod devices;
pub mod jobs;
pub mod levels;
pub mod lines;
pub mod peaks;
pub mod recordings;
pub mod usage;
