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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        [&length[..], kind, body].concat()
    }

    fn of(bytes: &[u8]) -> Option<Timestamp> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        time(&mut file)
    }

    #[test]
    fn time_of_creation_counts_from_1904_in_both_versions() {
        let at: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let seconds = at.millis() / 1000 + FROM_1904;
        let short = [&[0; 4][..], &u32::try_from(seconds).unwrap().to_be_bytes(), &[0; 8]].concat();
        let long = [&[1, 0, 0, 0][..], &seconds.to_be_bytes(), &[0; 8]].concat();
        for header in [short, long] {
            let moov = boxed(b"moov", &[boxed(b"udta", b"x"), boxed(b"mvhd", &header)].concat());
            assert_eq!(of(&[boxed(b"ftyp", b"M4A "), boxed(b"mdat", &[7; 999]), moov].concat()), Some(at));
        }
    }

    #[test]
    fn damaged_boxes_have_no_time_and_no_endless_search() {
        let endless = boxed(b"free", b"").repeat(MAX_PIECES + 10);
        let huge = [&1_u32.to_be_bytes()[..], b"mdat", &u64::MAX.to_be_bytes()].concat();
        let cut = &boxed(b"moov", &boxed(b"mvhd", &[0; 12]))[..18];
        for bytes in [&b""[..], b"\0\0\0\x04mvhd", b"\0\0\0\0moov", &endless, &huge, cut] {
            assert_eq!(of(bytes), None);
        }
    }
}
