//! A buffer for bytes on their way to a file, aligned so that direct I/O can use it.

use std::sync::{Mutex, PoisonError};

use bytes::{Buf, Bytes};

/// The most bytes that a writer buffers and that a read returns at once, as the port demands.
pub const PIECE: usize = 192 * 1024;

/// The largest alignment that disks demand of the address, the file offset and the length.
pub const ALIGNMENT: usize = 4096;

/// How many buffers are kept for reuse: fresh memory costs the kernel as much time as filling it costs
/// us.
const SPARE: usize = 32;

#[derive(Default)]
pub struct Spare(Mutex<Vec<Piece>>);

impl Spare {
    pub fn take(&self) -> Piece {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub fn give(&self, mut piece: Piece) {
        piece.clear();
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if piece.buffer.capacity() > 0 && spare.len() < SPARE {
            spare.push(piece);
        }
    }
}

/// A buffer of at most [`PIECE`] bytes. It allocates memory with its first byte.
#[derive(Default)]
pub struct Piece {
    /// The vector never grows, so its bytes keep their address.
    buffer: Vec<u8>,
    /// The index of the first aligned byte.
    start: usize,
}

impl Piece {
    /// Takes as many bytes as fit. Returns whether the buffer is full.
    pub fn take(&mut self, bytes: &mut Bytes) -> bool {
        if self.buffer.capacity() == 0 && !bytes.is_empty() {
            self.buffer = Vec::with_capacity(PIECE + ALIGNMENT);
            self.start = self.buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
            self.buffer.resize(self.start, 0);
        }
        let room = PIECE - self.bytes().len();
        let now = room.min(bytes.len());
        self.buffer.extend_from_slice(&bytes[..now]);
        bytes.advance(now);
        now == room
    }

    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    pub fn clear(&mut self) {
        self.buffer.truncate(self.start);
    }
}

/// Whether direct I/O can write these bytes at this file offset.
pub fn is_aligned(bytes: &[u8], at: u64) -> bool {
    let whole = |number: u64| number.is_multiple_of(ALIGNMENT as u64);
    whole(at) && whole(bytes.len() as u64) && bytes.as_ptr().align_offset(ALIGNMENT) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_reports_when_it_is_full_and_stays_aligned() {
        let mut piece = Piece::default();
        assert!(!piece.take(&mut Bytes::new()));
        assert!(piece.bytes().is_empty());
        for _ in 0..2 {
            let mut bytes = Bytes::from(vec![7; PIECE - 1]);
            assert!(!piece.take(&mut bytes));
            assert!(bytes.is_empty());
            bytes = Bytes::from_static(&[1, 2, 3]);
            assert!(piece.take(&mut bytes));
            assert_eq!((&bytes[..], piece.bytes().len(), piece.bytes()[PIECE - 1]), (&[2, 3][..], PIECE, 1));
            assert!(is_aligned(piece.bytes(), 0) && !is_aligned(piece.bytes(), 1));
            assert!(!is_aligned(&piece.bytes()[1..], 0) && !is_aligned(&piece.bytes()[..100], 0));
            piece.clear();
            assert!(piece.bytes().is_empty());
        }
    }
}
