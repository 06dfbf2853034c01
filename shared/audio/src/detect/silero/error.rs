//! What can be wrong with the model.

#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the voice detection model cannot be read: {0}")]
    Unreadable(#[from] rten::LoadError),
    #[error("the voice detection model is not the one that is expected: {0}")]
    Unexpected(String),
}

pub(super) fn unexpected(why: impl std::fmt::Display) -> ModelError {
    ModelError::Unexpected(why.to_string())
}
