//! Parses headers of MPEG audio frames, layers II and III, and checks whether frames stand in a row.

use super::id3;

pub(super) const HEADER: usize = 4;
/// The longest frame: layer II with 384 kbit/s at 32 kHz.
pub(super) const MOST_FRAME: usize = 1729;
/// This many matching frames do not stand in a row by chance, not even in a picture.
pub(super) const CERTAIN: usize = 4;

pub(super) const LAYER_II: u8 = 2;
pub(super) const LAYER_III: u8 = 1;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub version: u8,
    /// As in the header: 2 is layer II, and 1 is layer III.
    pub layer: u8,
    pub rate: u32,
    pub mono: bool,
    pub size: usize,
}

impl Header {
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let &[first, second, third, fourth, ..] = bytes else { return None };
        let (version, layer) = ((second >> 3) & 3, (second >> 1) & 3);
        if first != 0xFF || second & 0xE0 != 0xE0 || version == 1 || !matches!(layer, LAYER_II | LAYER_III) {
            return None;
        }
        let kbit = match (version, layer) {
            (3, LAYER_II) => [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0],
            (3, _) => [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
            _ => [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
        }[usize::from(third >> 4)];
        let rate = match version {
            3 => [44_100, 48_000, 32_000, 0],
            2 => [22_050, 24_000, 16_000, 0],
            _ => [11_025, 12_000, 8_000, 0],
        }[usize::from((third >> 2) & 3)];
        if kbit == 0 || rate == 0 {
            return None;
        }
        let slots = if version == 3 || layer == LAYER_II { 144_000 } else { 72_000 };
        let size = (slots * kbit / rate + u32::from((third >> 1) & 1)) as usize;
        Some(Self { version, layer, rate, mono: fourth >> 6 == 3, size })
    }

    /// Whether both belong to the same stream. Only the bit rate and the stereo mode may change from frame to frame.
    pub fn goes_with(&self, other: &Self) -> bool {
        let kind = |header: &Self| (header.version, header.layer, header.rate, header.mono);
        kind(self) == kind(other)
    }

    pub fn samples(&self) -> u64 {
        if self.version == 3 || self.layer == LAYER_II { 1152 } else { 576 }
    }

    /// The offset at which a first frame without audio describes the file.
    pub fn info_at(&self) -> usize {
        HEADER
            + match (self.version == 3, self.mono) {
                (true, false) => 32,
                (true, true) | (false, false) => 17,
                (false, true) => 9,
            }
    }
}

pub(super) fn is_header(bytes: &[u8]) -> bool {
    Header::read(bytes).is_some()
}

/// Counts how many frames of one stream stand in a row, at most [`CERTAIN`], and whether nothing or a tag is behind
/// them.
pub(super) fn chain(bytes: &[u8]) -> (usize, bool) {
    let Some(first) = Header::read(bytes) else { return (0, false) };
    let (mut count, mut at) = (1, first.size);
    loop {
        let Some(behind) = bytes.get(at..) else { return (count - 1, false) };
        if behind.len() < HEADER || behind.starts_with(b"TAG") || behind.starts_with(b"APE") || id3::begins(behind) {
            return (count, true);
        }
        match Header::read(behind).filter(|header| header.goes_with(&first)) {
            Some(_) if count == CERTAIN => return (count, false),
            Some(header) => (count, at) = (count + 1, at + header.size),
            None => return (count, false),
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
