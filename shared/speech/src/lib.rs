//! From samples to text: one trait, one file for each engine behind it, and the choice between them.

mod bounded;
pub mod engine;
mod null;
pub mod pieces;
mod select;

pub use bounded::{Bounded, Places};
pub use engine::{
    Audio, Capabilities, Engine, EngineError, Hints, Languages, Retry, SAMPLE_RATE, Transcript, Utterance, Word,
};
pub use null::{NullFail, UnknownFail};
pub use pieces::Cutting;
pub use select::{SelectError, Settings, select};
