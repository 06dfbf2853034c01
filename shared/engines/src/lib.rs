//! What the configuration asks for of speech: which engine writes it down, and what finds it in a recording.

mod detection;
mod engine;

pub use detection::detection;
pub use engine::engine;
