//! Parses ADTS headers of AAC frames, and checks whether frames stand in a row.

use super::id3;
use crate::aac::RATES;

pub(super) const HEADER: usize = 7;
/// The greatest length that a header can express.
pub(super) const MOST_FRAME: usize = 8191;
pub(super) const CERTAIN: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Version, profile, rate and channels, which are the same in all frames of a stream.
    pub kind: [u8; 3],
    pub rate: u32,
    pub size: usize,
}

impl Header {
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let &[0xFF, second, third, fourth, fifth, sixth, _, ..] = bytes else { return None };
        if second & 0xF6 != 0xF0 {
            return None;
        }
        let size = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth >> 5);
        let rate = *RATES.get(usize::from(third >> 2 & 0x0F))?;
        (size > HEADER).then_some(Self { kind: [second & 0xF8, third & 0xFD, fourth & 0xC0], rate, size })
    }
}

impl Header {
    /// Whether its audio can be decoded: the LC profile with one channel or two.
    pub fn is_possible(&self) -> bool {
        let [_, third, fourth] = self.kind;
        let (profile, channels) = (third >> 6, (third & 1) << 2 | fourth >> 6);
        profile == 1 && (1..=2).contains(&channels)
    }
}

pub(super) fn is_header(bytes: &[u8]) -> bool {
    Header::read(bytes).is_some()
}

/// Counts how many frames of one stream stand in a row, at most [`CERTAIN`], and whether nothing is behind them.
pub(super) fn chain(bytes: &[u8]) -> (usize, bool) {
    let Some(first) = Header::read(bytes) else { return (0, false) };
    let (mut count, mut at) = (1, first.size);
    loop {
        match bytes.get(at..) {
            None => return (count - 1, false),
            Some([]) => return (count, true),
            Some(behind) => match Header::read(behind).filter(|header| header.kind == first.kind) {
                Some(_) if count == CERTAIN => return (count, false),
                Some(header) => (count, at) = (count + 1, at + header.size),
                None => return (count, id3::begins(behind)),
            },
        }
    }
}

/// Whether frames begin here, at a position where they are expected.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let (count, over) = chain(bytes);
    count >= 3 || over && count > 0
}

/// Whether frames begin here, at a position where something else is expected.
pub(super) fn certainly_begins(bytes: &[u8]) -> bool {
    chain(bytes).0 == CERTAIN
}
