//! Corrects checksums after a mutation; otherwise the damage would not reach a decoder.

/// Corrects the pages of an Ogg file.
pub fn ogg(bytes: &mut [u8]) {
    let mut at = 0;
    while at + 27 <= bytes.len() {
        let segments = usize::from(bytes[at + 26]);
        let lacing = bytes.get(at + 27..at + 27 + segments).unwrap_or_default();
        let size = 27 + segments + lacing.iter().map(|&size| usize::from(size)).sum::<usize>();
        match bytes.get_mut(at..at + size) {
            Some(page) if page.starts_with(b"OggS") => {
                page[22..26].fill(0);
                let sum = crc(page, 32, 0x04C1_1DB7);
                page[22..26].copy_from_slice(&sum.to_le_bytes());
                at += size;
            }
            _ => at += 1,
        }
    }
}

/// Corrects the frames of a FLAC file whose headers are still in place.
pub fn flac(bytes: &mut [u8]) {
    let starts: Vec<usize> = (0..bytes.len()).filter(|&at| header(&bytes[at..]).is_some()).collect();
    for (index, &start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(bytes.len());
        let Some(size) = header(&bytes[start..end]).filter(|size| end - start > size + 3) else { continue };
        bytes[start + size] = crc(&bytes[start..start + size], 8, 0x07) as u8;
        let sum = crc(&bytes[start..end - 2], 16, 0x8005) as u16;
        bytes[end - 2..end].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Returns the size of a frame's header without its checksum, if there may be one here.
fn header(bytes: &[u8]) -> Option<usize> {
    let &[0xFF, 0xF8 | 0xF9, sizes, channels, number, ..] = bytes else { return None };
    let more =
        |code: u8, one: &[u8], two: &[u8]| usize::from(one.contains(&code)) + 2 * usize::from(two.contains(&code));
    let number = match number.leading_ones() {
        0 => 1,
        ones @ 2..=7 => ones as usize,
        _ => return None,
    };
    let plausible = sizes >> 4 != 0 && sizes & 15 != 15 && channels >> 4 <= 10 && channels & 1 == 0;
    plausible.then(|| 4 + number + more(sizes >> 4, &[6], &[7]) + more(sizes & 15, &[12], &[13, 14]))
}

fn crc(bytes: &[u8], bits: u32, polynomial: u32) -> u32 {
    let (top, mask) = (1 << (bits - 1), u32::MAX >> (32 - bits));
    let shift = |sum: u32| (sum << 1 ^ if sum & top == 0 { 0 } else { polynomial }) & mask;
    bytes.iter().fold(0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte) << (bits - 8), |sum, _| shift(sum)))
}
