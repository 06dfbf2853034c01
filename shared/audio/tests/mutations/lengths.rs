//! Finds the lengths and counts in a sound file. Each of them is changed, and none may hide speech.

use std::ops::Range;

/// Returns the positions of all lengths in a file of any kind.
pub fn of(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    match bytes {
        [b'R', b'I', b'F', b'F', ..] => chunks(bytes, 12, 4, 1, u32::from_le_bytes, &mut places),
        [b'F', b'O', b'R', b'M', ..] => chunks(bytes, 12, 4, 1, u32::from_be_bytes, &mut places),
        [b'c', b'a', b'f', b'f', ..] => {
            chunks(bytes, 8, 8, 0, u32::from_be_bytes, &mut places);
        }
        [b'f', b'L', b'a', b'C', ..] => flac(bytes, &mut places),
        [b'O', b'g', b'g', b'S', ..] => ogg(bytes, &mut places),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => elements(bytes, 0..bytes.len(), &mut places),
        [b'I', b'D', b'3', ..] => mp3(bytes, &mut places),
        [0xFF, 0xF1 | 0xF9, ..] => adts(bytes, &mut places),
        // The bit rate determines the length of a frame.
        [0xFF, ..] => places.push(2..3),
        _ => boxes(bytes, 0..bytes.len(), &mut places),
    }
    places
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// `width` is the size of a length field; its last four bytes are read.
fn chunks(
    bytes: &[u8],
    first: usize,
    width: usize,
    even: usize,
    read: fn([u8; 4]) -> u32,
    places: &mut Vec<Range<usize>>,
) {
    if first == 12 {
        places.push(4..8);
    }
    let mut at = first;
    while at + 4 + width <= bytes.len() {
        places.push(at + 4..at + 4 + width);
        let size = read(bytes[at + width..at + width + 4].try_into().unwrap()) as usize;
        at += 4 + width + size + (size & even);
    }
}

fn flac(bytes: &[u8], places: &mut Vec<Range<usize>>) {
    // The number of samples.
    places.push(22..26);
    let mut at = 4;
    loop {
        places.push(at + 1..at + 4);
        let (last, size) = (bytes[at] & 0x80 != 0, number(&bytes[at + 1..at + 4]));
        at += 4 + size;
        if last {
            break;
        }
    }
}

fn ogg(bytes: &[u8], places: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while at + 27 <= bytes.len() {
        let segments = usize::from(bytes[at + 26]);
        places.push(at + 26..at + 27);
        // Each lacing value is a length; a few of each page are enough.
        places.extend((0..segments).step_by(7).map(|n| at + 27 + n..at + 28 + n));
        at += 27 + segments + bytes[at + 27..at + 27 + segments].iter().map(|&size| usize::from(size)).sum::<usize>();
    }
}

fn mp3(bytes: &[u8], places: &mut Vec<Range<usize>>) {
    places.push(6..10);
    let info = bytes.windows(4).position(|four| four == b"Info" || four == b"Xing").unwrap();
    // The numbers of frames and bytes.
    places.extend([info + 8..info + 12, info + 12..info + 16]);
    // The bit rate determines the length of a frame.
    let second = (info..bytes.len() - 1).find(|&at| bytes[at] == 0xFF && bytes[at + 1] & 0xE0 == 0xE0).unwrap();
    places.push(second + 2..second + 3);
}

fn adts(bytes: &[u8], places: &mut Vec<Range<usize>>) {
    let mut at = 0;
    while at + 7 <= bytes.len() {
        places.push(at + 4..at + 5);
        at += (number(&bytes[at + 3..at + 6]) >> 5) & 0x1FFF;
    }
}

const MASTERS: [usize; 7] = [0x1A45_DFA3, 0x1853_8067, 0x1549_A966, 0x1654_AE6B, 0x1F43_B675, 0xA0, 0xAE];

fn elements(bytes: &[u8], within: Range<usize>, places: &mut Vec<Range<usize>>) {
    let mut at = within.start;
    while at + 2 <= within.end {
        let id = bytes[at].leading_zeros() as usize + 1;
        let size_at = at + id;
        let Some(width) = bytes.get(size_at).map(|first| first.leading_zeros() as usize + 1) else { break };
        places.push(size_at..size_at + width);
        let (raw, mask) = (number(&bytes[size_at..size_at + width]), (1usize << (7 * width)) - 1);
        let body = size_at + width;
        let end = if raw & mask == mask { within.end } else { body + (raw & mask) };
        if MASTERS.contains(&number(&bytes[at..size_at])) {
            elements(bytes, body..end.min(within.end), places);
        }
        at = end;
    }
}

fn boxes(bytes: &[u8], within: Range<usize>, places: &mut Vec<Range<usize>>) {
    let mut at = within.start;
    while at + 8 <= within.end {
        let (size, kind) = (number(&bytes[at..at + 4]), &bytes[at + 4..at + 8]);
        places.push(at..at + 4);
        let end = if size < 8 { within.end } else { (at + size).min(within.end) };
        let words =
            |from: usize, most: usize| (from..end).step_by(4).take(most).map(|at| at..at + 4).collect::<Vec<_>>();
        match kind {
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"moof" | b"traf" | b"mvex" => {
                boxes(bytes, at + 8..end, places);
            }
            b"stsd" => boxes(bytes, at + 16..end, places),
            // Counts, and some of their entries.
            b"stsz" => places.extend(words(at + 12, 8)),
            b"stsc" | b"stco" | b"stts" => places.extend(words(at + 12, 4)),
            b"trun" => places.extend(words(at + 12, 10)),
            b"tfhd" | b"trex" => places.extend(words(at + 12, 5)),
            _ => {}
        }
        at = end;
    }
}
