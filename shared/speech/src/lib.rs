//! From samples to text: one trait, one file for each engine behind it, and the choice between them.

mod cloud;
pub mod engine;
mod null;
mod select;

pub use cloud::{CloudSettings, DeepgramSettings, HttpSettings, SettingError};
pub use engine::{
    Audio, Capabilities, Engine, EngineError, Frames, Hints, Languages, Retry, SAMPLE_RATE, Transcript, Utterance, Word,
};
pub use null::{NullFail, UnknownFail};
pub use select::{SelectError, Settings, select};
