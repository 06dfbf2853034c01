//! Bytes on their way to a file, at an address from which a disk can take them itself.

use std::sync::{Mutex, PoisonError};

use bytes::{Buf, Bytes};

/// The most bytes that a writer keeps in memory and that a read gives at once: the port's numbers.
pub const PIECE: usize = 192 * 1024;

/// What disks ask of the address, the place in the file and the length, at most.
pub const ALIGNMENT: usize = 4096;

/// Pieces that wait for their next file: fresh memory costs the kernel as much time as filling it costs us.
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

/// At most [`PIECE`] bytes. Takes memory with its first byte.
#[derive(Default)]
pub struct Piece {
    /// Never grows: its bytes stay where they are.
    buffer: Vec<u8>,
    /// Where the aligned bytes begin.
    start: usize,
}

impl Piece {
    /// Takes as many of the bytes as there is room for. Says whether it is full.
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

/// Whether a disk can take the bytes, so that they come to stand at this place of the file.
pub fn is_aligned(bytes: &[u8], at: u64) -> bool {
    let whole = |number: u64| number.is_multiple_of(ALIGNMENT as u64);
    whole(at) && whole(bytes.len() as u64) && bytes.as_ptr().align_offset(ALIGNMENT) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_full_when_it_is_and_stays_aligned() {
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
