//! A matrix of 8-bit weights.

/// A matrix of bytes, row by row. A byte represents the number `(byte - zero) * scale`.
pub(super) struct ByteMatrix {
    pub rows: usize,
    pub columns: usize,
    pub bytes: Vec<u8>,
    pub scale: f32,
    pub zero: u8,
}
