//! The models for speech recognition and voice detection: the list of their files, where they are stored, and their bytes.
//!
//! Models are not in the repository. `make setup` fetches them. Release builds embed them; other builds read them at run
//! time.

mod error;
mod folder;
mod list;

use std::sync::LazyLock;

pub use error::ModelError;
pub use folder::Models;
pub use list::File;

pub const SILERO: &str = "silero/silero_vad_16k_sequence.onnx";

/// The files of a Moonshine model. `size` is `tiny` or `base`.
pub fn moonshine(size: &str) -> [String; 3] {
    ["encoder_model.onnx", "decoder_model_merged.onnx", "tokenizer.json"].map(|file| format!("moonshine-{size}/{file}"))
}

/// Every model file, including licences.
pub fn files() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(|| list::parse(include_str!("../models.list")));
    &FILES
}

/// The embedded model files: all of those that can be embedded, or none.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Whether this program has the models embedded and needs no folder of models.
pub fn are_embedded() -> bool {
    !EMBEDDED.is_empty()
}

#[cfg(test)]
mod tests;
