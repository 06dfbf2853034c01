//! The models that speech and voices are recognised by: which there are, where they lie, and their bytes.
//!
//! They are not in the repository. `make setup` fetches them; release builds have them inside; other builds read them
//! when they run.

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

/// Every file, licences included.
pub fn files() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(|| list::parse(include_str!("../models.list")));
    &FILES
}

/// What was built in: all of it, or nothing.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Whether this program needs no folder of models.
pub fn are_embedded() -> bool {
    !EMBEDDED.is_empty()
}

#[cfg(test)]
mod tests;
