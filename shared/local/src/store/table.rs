//! The tables. Each file has the rows, columns and queries of one table.

pub mod checkpoints;
pub mod conversations;
pub mod devices;
pub mod extras;
pub mod jobs;
pub mod levels;
pub mod lines;
pub mod peaks;
pub mod recordings;
pub mod usage;
