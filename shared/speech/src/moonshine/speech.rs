//! A segment of speech on its way to text: what the decoder remembers of it.

use super::attention::Memory;

pub(super) struct Speech {
    /// Keys and values of the features, for each layer.
    pub(super) heard: Vec<Memory>,
    /// Keys and values of the tokens so far.
    pub(super) spoken: Vec<Memory>,
    pub(super) steps: usize,
}
