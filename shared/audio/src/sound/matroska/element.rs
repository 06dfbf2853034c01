//! Parses the elements of a Matroska file (RFC 8794, RFC 9559): an id, a length, a body.

use std::collections::VecDeque;
use std::ops::Range;

pub(super) mod id {
    pub const EBML: u32 = 0x1A45_DFA3;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const INFO: u32 = 0x1549_A966;
    pub const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub const DURATION: u32 = 0x4489;
    pub const TRACKS: u32 = 0x1654_AE6B;
    pub const TRACK_ENTRY: u32 = 0xAE;
    pub const TRACK_NUMBER: u32 = 0xD7;
    pub const TRACK_TYPE: u32 = 0x83;
    pub const CODEC_ID: u32 = 0x86;
    pub const CODEC_PRIVATE: u32 = 0x63A2;
    pub const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub const AUDIO: u32 = 0xE1;
    pub const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub const CHANNELS: u32 = 0x9F;
    pub const BIT_DEPTH: u32 = 0x6264;
    pub const CLUSTER: u32 = 0x1F43_B675;
    pub const TIMESTAMP: u32 = 0xE7;
    pub const BLOCK_GROUP: u32 = 0xA0;
    pub const BLOCK: u32 = 0xA1;
    pub const SIMPLE_BLOCK: u32 = 0xA3;

    /// The other elements that may occur where this reader looks: in the file, a segment, a cluster, or a group of
    /// blocks.
    const OTHERS: [u32; 21] = [
        0xEC,
        0xBF,
        0x114D_9B74,
        0x1C53_BB6B,
        0x1254_C367,
        0x1043_A770,
        0x1941_A469,
        0xA7,
        0xAB,
        0x5854,
        0xAF,
        0x9B,
        0xFB,
        0xFD,
        0xFA,
        0xA4,
        0xA2,
        0x75A1,
        0x75A2,
        0x8E,
        0xC8,
    ];

    pub fn is_known(id: u32) -> bool {
        matches!(id, EBML | SEGMENT | INFO | TRACKS | CLUSTER | TIMESTAMP | BLOCK_GROUP | BLOCK | SIMPLE_BLOCK)
            || OTHERS.contains(&id)
    }
}

pub(super) struct Element {
    pub id: u32,
    /// `None`: the size was not known when the element was written.
    pub size: Option<u64>,
    /// The bytes of the id and the size.
    pub header: usize,
}

impl Element {
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let length = bytes.first()?.leading_zeros() as usize + 1;
        if length > 4 {
            return None;
        }
        let id = bytes.get(..length)?.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        let (size, width) = vint(&bytes[length..])?;
        let unknown = size == (1 << (7 * width)) - 1;
        Some(Self { id, size: (!unknown).then_some(size), header: length + width })
    }

    /// Iterates over consecutive elements with their bodies, as far as they are complete.
    pub fn all(bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let element = Self::read(rest)?;
            let body = rest.get(element.header..)?;
            let size = usize::try_from(element.size?).ok()?;
            let whole = body.get(..size)?;
            rest = &body[size..];
            Some((element.id, whole))
        })
    }
}

/// Parses a number of variable length. Returns it with its width.
pub(super) fn vint(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let width = first.leading_zeros() as usize + 1;
    if width > 8 {
        return None;
    }
    let mut value = u64::from(first) & ((1u64 << (8 - width)) - 1);
    for byte in bytes.get(1..width)? {
        value = value << 8 | u64::from(*byte);
    }
    Some((value, width))
}

pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

pub(super) fn float(bytes: &[u8]) -> f64 {
    match *bytes {
        [a, b, c, d] => f64::from(f32::from_be_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]),
        _ => 0.0,
    }
}

/// Whether a cluster begins here, by its id and its first child.
pub(super) fn is_cluster(bytes: &[u8]) -> bool {
    bytes.starts_with(&id::CLUSTER.to_be_bytes())
        && Element::read(bytes)
            .and_then(|cluster| bytes.get(cluster.header))
            .is_some_and(|child| matches!(child, 0xE7 | 0xBF | 0xA7 | 0xAB | 0xA3 | 0xA0 | 0xEC))
}

/// Returns the ranges of a block's packets; `None` if it is not a valid block.
pub(super) fn packets(block: &[u8]) -> Option<VecDeque<Range<usize>>> {
    let (_, width) = vint(block)?;
    // A time of two bytes, then flags.
    let flags = *block.get(width + 2)?;
    let mut at = width + 3;
    let mut sizes = VecDeque::new();
    if flags & 6 != 0 {
        let more = usize::from(*block.get(at)?);
        at += 1;
        match flags & 6 {
            2 => {
                for _ in 0..more {
                    let mut size = 0;
                    loop {
                        let byte = *block.get(at)?;
                        (size, at) = (size + usize::from(byte), at + 1);
                        if byte < 255 {
                            break;
                        }
                    }
                    sizes.push_back(size);
                }
            }
            4 => {
                let size = (block.len() - at) / (more + 1);
                sizes = std::iter::repeat_n(size, more).collect();
            }
            _ => {
                let mut last = 0i64;
                for n in 0..more {
                    let (value, width) = vint(block.get(at..)?)?;
                    at += width;
                    let value = value.cast_signed();
                    // The first number is a size, and each of the others the difference to the one before.
                    last = if n == 0 { value } else { last.checked_add(value - ((1i64 << (7 * width - 1)) - 1))? };
                    sizes.push_back(usize::try_from(last).ok()?);
                }
            }
        }
    }
    let laced: usize = sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size))?;
    sizes.push_back(block.len().checked_sub(at)?.checked_sub(laced)?);
    let place = |size| {
        at += size;
        at - size..at
    };
    Some(sizes.into_iter().map(place).collect())
}
