//! Why a network cannot be loaded or run.

use rten_gemm::GemmError;

#[derive(Debug, thiserror::Error)]
pub(super) enum NetworkError {
    #[error("the {0} cannot be loaded: {1}")]
    Load(&'static str, String),
    #[error("the encoder cannot be run: {0}")]
    Encoder(String),
    #[error("its numbers cannot be multiplied: {0}")]
    Product(#[from] GemmError),
    #[error("the encoder answers in another shape than the decoder takes")]
    Shape,
    #[error("nobody waits for the answer any more")]
    Stopped,
}
