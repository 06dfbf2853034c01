//! Records how many bytes of an unfinished file are durable, and their checksum. A mark is written
//! after its bytes, alternately in two slots of the file: a crash damages at most the slot that was
//! being written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The slots are this far apart so that no sector holds both.
const SLOT_BYTES: u64 = 4096;
const SLOTS: [u64; 2] = [0, SLOT_BYTES];
/// The length of an entry: offset, checksum of the file's bytes, checksum of the entry.
const ENTRY: usize = 16;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pub offset: u64,
    pub crc32c: u32,
}

impl Mark {
    /// The intact mark with the largest offset, and its slot.
    pub fn read(file: &File) -> io::Result<Option<(Self, usize)>> {
        let mut found: Option<(Self, usize)> = None;
        for (slot, at) in SLOTS.into_iter().enumerate() {
            let mut entry = [0; ENTRY];
            match file.read_exact_at(&mut entry, at) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                read => read?,
            }
            if let Some(mark) = Self::decode(entry)
                && found.is_none_or(|(best, _)| mark.offset > best.offset)
            {
                found = Some((mark, slot));
            }
        }
        Ok(found)
    }

    /// Writes the mark durably to the slot other than `slot`, and returns the slot that was written.
    pub fn write(self, file: &File, slot: usize) -> io::Result<usize> {
        let next = (slot + 1) % SLOTS.len();
        file.write_all_at(&self.encode(), SLOTS[next])?;
        file.sync_data()?;
        Ok(next)
    }

    fn encode(self) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        entry[..8].copy_from_slice(&self.offset.to_le_bytes());
        entry[8..12].copy_from_slice(&self.crc32c.to_le_bytes());
        let check = check(&entry[..12]);
        entry[12..].copy_from_slice(&check.to_le_bytes());
        entry
    }

    fn decode(entry: [u8; ENTRY]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = entry;
        let whole = check(&entry[..12]) == u32::from_le_bytes([m, n, o, p]);
        let mark =
            Self { offset: u64::from_le_bytes([a, b, c, d, e, f, g, h]), crc32c: u32::from_le_bytes([i, j, k, l]) };
        whole.then_some(mark)
    }
}

/// The check value of an entry. It is inverted, so that a slot full of zeros is never valid.
fn check(bytes: &[u8]) -> u32 {
    !crc32c::crc32c(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> File {
        tempfile::tempfile().unwrap()
    }

    #[test]
    fn mark_with_largest_offset_counts() {
        let file = file();
        assert_eq!(Mark::read(&file).unwrap(), None);
        let mut slot = 1;
        for offset in [1, 5, 9] {
            slot = Mark { offset, crc32c: offset as u32 }.write(&file, slot).unwrap();
            assert_eq!(Mark::read(&file).unwrap(), Some((Mark { offset, crc32c: offset as u32 }, slot)));
        }
    }

    #[test]
    fn torn_mark_leaves_previous_one() {
        let file = file();
        let first = Mark { offset: 7, crc32c: 1 };
        let slot = first.write(&file, 1).unwrap();
        let torn = Mark { offset: 9, crc32c: 2 }.write(&file, slot).unwrap();
        file.write_all_at(&[0xFF; 3], SLOTS[torn] + 2).unwrap();
        assert_eq!(Mark::read(&file).unwrap(), Some((first, slot)));
        file.set_len(0).unwrap();
        file.set_len(2 * SLOT_BYTES).unwrap();
        assert_eq!(Mark::read(&file).unwrap(), None, "zeros are no mark");
    }
}
