//! Speech engines, which turn samples into text: the trait, one module for each engine, and the choice between them.

mod arithmetic;
mod bounded;
mod cloud;
pub mod engine;
mod loading;
mod moonshine;
mod null;
mod opus;
pub mod permits;
mod pieces;
mod select;
mod splitting;

pub use arithmetic::{Arithmetic, ArithmeticError};
pub use bounded::Bounded;
pub use cloud::{CloudSettings, DeepgramSettings, HttpSettings, SettingError};
pub use engine::{
    Audio, CALL_ALLOWANCE, Capabilities, Engine, EngineError, Frames, Hints, Languages, RetryClass, SAMPLE_RATE,
    Transcript, Utterance, Word, primary_subtag,
};
pub use loading::Loading;
pub use moonshine::MoonshineFiles;
pub use null::{NullFail, UnknownFail};
pub use permits::{Permit, Permits};
pub use select::{KNOWN, SelectError, Settings, select};
pub use splitting::{AnsweredPieces, SplittingEngine};
