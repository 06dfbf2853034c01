//! Why a model is not available, and how to fix it.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error(
        "the model file {name} is missing: it is not at {}; run `make setup`, or set engine.models to the folder that has it",
        path.display()
    )]
    Missing { name: String, path: PathBuf },
    #[error(
        "the model file {} is not the one that is expected (SHA-256 {expected}): delete it and run `make setup`",
        path.display()
    )]
    Wrong { path: PathBuf, expected: &'static str },
    #[error("the model file {} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(
        "there is no folder for models: engine.models, AFTERWORD_MODELS, XDG_CACHE_HOME and HOME are all unset; set \
         engine.models to the folder that has {name}"
    )]
    NoFolder { name: String },
    #[error("`{0}` is no model file of this version")]
    Unknown(String),
}

impl ModelError {
    /// Whether the file does not exist, as on a machine that was never set up. All other errors must be reported.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::NoFolder { .. })
    }
}
