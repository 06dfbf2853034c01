//! MP4 and its relatives: the time of creation in the header of the movie.

use std::fs::File;

use domain::Timestamp;

use super::{MAX_PIECES, bytes};

/// Seconds from 1904-01-01, from which these files count, to 1970-01-01.
const FROM_1904: i64 = 2_082_844_800;

pub fn time(file: &mut File) -> Option<Timestamp> {
    let end = file.metadata().ok()?.len();
    let (at, length) = find(file, 0, end, *b"moov")?;
    let (at, _) = find(file, at, at + length, *b"mvhd")?;
    let head = bytes(file, at, 12)?;
    // Version 1 has times of 64 bits.
    let seconds = match head[0] {
        0 => i64::from(u32::from_be_bytes(head[4..8].try_into().ok()?)),
        1 => i64::from_be_bytes(head[4..12].try_into().ok()?),
        _ => return None,
    };
    Some(Timestamp::from_millis(seconds.checked_sub(FROM_1904)?.checked_mul(1000)?))
}

/// Where the body of the first box of this kind is, and how long it is.
fn find(file: &mut File, mut at: u64, end: u64, kind: [u8; 4]) -> Option<(u64, u64)> {
    for _ in 0..MAX_PIECES {
        let head = bytes(file, at, 8)?;
        let short = u64::from(u32::from_be_bytes(head[..4].try_into().ok()?));
        let (before, length) = match short {
            // To the end of the file.
            0 => (8, end.checked_sub(at)?),
            1 => (16, u64::from_be_bytes(bytes(file, at + 8, 8)?.try_into().ok()?)),
            length => (8, length),
        };
        let body = length.checked_sub(before)?;
        if head[4..8] == kind {
            return Some((at + before, body));
        }
        at = at.checked_add(length).filter(|at| *at < end)?;
    }
    None
}
