//! Builds the speech engine and the voice detector that the configuration selects.

mod detection;
mod engine;

pub use detection::detection;
pub use engine::engine;
