//! Searches for boxes where no structure leads to them: behind a wrong size, and in bytes outside of boxes.

use super::*;

impl Mp4<'_> {
    /// Moves to the next position at which an index, a fragment or a file certainly begins.
    pub(super) fn resync(&mut self, from: u64) -> Result<bool, AudioError> {
        let found = self.search(from, self.length)?;
        if let Some(at) = found {
            self.next_box = at;
        }
        Ok(found.is_some())
    }

    /// Searches a box of another kind for a fragment; if there is one, the length of the box is wrong.
    pub(super) fn look_through(&mut self, from: u64, to: u64) -> Result<bool, AudioError> {
        let found = self.search(from, to)?;
        if let Some(at) = found {
            self.next_box = at;
        }
        Ok(found.is_some())
    }

    pub(super) fn search(&mut self, from: u64, to: u64) -> Result<Option<u64>, AudioError> {
        const SEEN: usize = 16;
        let mut at = from;
        let mut piece = Vec::new();
        go(&mut self.file, at.min(self.length))?;
        while at < to {
            let wanted = BUFFER as u64 - piece.len() as u64;
            (&mut self.file).take(wanted.min(to - at)).read_to_end(&mut piece)?;
            if piece.len() < SEEN {
                break;
            }
            if let Some(place) = (0..=piece.len() - SEEN).find(|&place| certainly_begins(&piece[place..])) {
                return Ok(Some(at + place as u64));
            }
            let kept = piece.len() - (SEEN - 1);
            piece.drain(..kept);
            at += kept as u64;
            if to - at < SEEN as u64 {
                break;
            }
            go(&mut self.file, at + piece.len() as u64)?;
        }
        Ok(None)
    }
}

/// Whether an index, a fragment or a file begins here, by the box that has to be first in it.
fn certainly_begins(bytes: &[u8]) -> bool {
    match (&bytes[4..8], &bytes[12..16]) {
        (b"moov", b"mvhd") | (b"moof", b"mfhd") => true,
        (b"ftyp", _) => bytes[..3] == [0; 3] && bytes[3] >= 8,
        _ => false,
    }
}
