//! Finds the units that a file consists of and that can be cut out of it: pages, clusters, fragments.

use std::ops::Range;

/// Returns all units of such a file, in order.
pub fn of(bytes: &[u8]) -> Vec<Range<usize>> {
    let begins: Vec<usize> = match bytes {
        [b'O', b'g', b'g', b'S', ..] => (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"OggS\0")).collect(),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => {
            let cluster =
                |at: &usize| bytes[*at..].starts_with(&[0x1F, 0x43, 0xB6, 0x75]) && bytes[*at..].contains(&0xE7);
            (0..bytes.len()).filter(cluster).collect()
        }
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => {
            let fragment = |at: &usize| bytes[*at + 4..].starts_with(b"moof") && bytes[*at + 12..].starts_with(b"mfhd");
            (0..bytes.len().saturating_sub(16)).filter(|at| fragment(at)).collect()
        }
        _ => Vec::new(),
    };
    begins.windows(2).map(|pair| pair[0]..pair[1]).collect()
}
