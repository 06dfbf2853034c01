//! Generates damage: changed files, changed names, and files of random bytes.

use crate::random::Random;

/// Most changes are in the first bytes, where a file describes itself.
pub fn bytes(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..1 + random.below(6) {
        let reach = if random.below(2) == 0 { bytes.len().min(200) } else { bytes.len() };
        let at = random.below(reach);
        match random.below(7) {
            0 => bytes.truncate(at.max(1)),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.byte(),
            3 => {
                let value = [0, 1, 0x7F, 0x80, 0xFF][random.below(5)];
                let end = (at + 1 + random.below(8)).min(bytes.len());
                bytes[at..end].fill(value);
            }
            4 => {
                let end = (at + 1 + random.below(300)).min(bytes.len());
                bytes.drain(at..end);
            }
            5 => {
                let end = (at + 1 + random.below(300)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let size = random.below(60);
                bytes.splice(at..at, random.bytes(size));
            }
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
}

/// Valid parts of names, and invalid ones.
const PARTS: [&str; 16] = [
    "_",
    ".",
    "opus",
    "lc3_fs1030",
    "_fs",
    "1748300000",
    "1e999",
    "-1",
    "NaN",
    "4294967296",
    "..",
    "/",
    "\0",
    "é",
    "bin",
    "48000",
];

pub fn name(random: &mut Random, name: &str) -> String {
    let mut letters: Vec<char> = name.chars().collect();
    for _ in 0..1 + random.below(3) {
        let at = random.below(letters.len());
        match random.below(4) {
            0 => letters.truncate(at),
            1 => drop(letters.drain(at..(at + 1 + random.below(4)).min(letters.len()))),
            2 => drop(letters.splice(at..at, PARTS[random.below(PARTS.len())].chars())),
            _ => drop(letters.splice(at..at, char::from_u32(random.next() as u32 % 0x11_0000))),
        }
    }
    letters.into_iter().collect()
}

/// Frames with random content and the sizes that codecs use.
pub fn soup(random: &mut Random) -> Vec<u8> {
    let usual = [1, 2, 3, 30, 60, 90, 160, 320, 1_275][random.below(9)];
    let mut file = Vec::new();
    for _ in 0..1 + random.below(40) {
        let size = if random.below(4) == 0 { random.below(400) } else { usual };
        let mut frame = random.bytes(size);
        if random.below(3) == 0 {
            frame.fill(random.byte());
        }
        if random.below(3) == 0 && size > 8 {
            // The header of an AAC frame with a matching size.
            let size = size as u16;
            frame[..3].copy_from_slice(&[0xFF, 0xF1, 0x60]);
            frame[3] = 0x40 | (size >> 11) as u8;
            frame[4] = (size >> 3) as u8;
            frame[5] = (size << 5) as u8;
        }
        let length = match random.below(40) {
            0 => [0xFFFF_FFFF, 0xFFFF_FFFB, 0xFFFF_FFFE, 0xFFFF_FFFD, 65_536, 65_537, 0][random.below(7)],
            _ => size as u32,
        };
        file.extend(length.to_le_bytes());
        file.extend(frame);
    }
    file
}
