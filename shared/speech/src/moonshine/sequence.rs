//! The state of the decoder for one piece of audio.

use super::attention::KeyValues;

/// What the decoder keeps of a piece between steps.
pub(super) struct Sequence {
    /// Keys and values of the features, for each layer.
    pub(super) feature_memory: Vec<KeyValues>,
    /// Keys and values of the tokens so far.
    pub(super) token_memory: Vec<KeyValues>,
    pub(super) steps: usize,
}
