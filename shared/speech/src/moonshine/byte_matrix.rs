//! A matrix of weights of eight bits.

/// Bytes in rows, each of the same scale: what they stand for is `(byte - zero) * scale`.
pub(super) struct ByteMatrix {
    pub rows: usize,
    pub columns: usize,
    pub bytes: Vec<u8>,
    pub scale: f32,
    pub zero: u8,
}
